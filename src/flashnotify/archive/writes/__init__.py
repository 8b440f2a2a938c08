"""Every write there is."""
