"""Speech recognisers, one file each."""
