"""A new model because of drift: trained on newer data, deployed to the first stage, proposed for the next."""
