"""How public data sets become case folders, one file a data set."""
