"""Steps of the project as programs: what they run on, and what they take."""
