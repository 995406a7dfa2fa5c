"""What each method costs: the rows of the paper's Tables 1 and 5, counted and measured here."""
