"""Online endpoints: what serves, who gets the traffic, and what was counted."""
