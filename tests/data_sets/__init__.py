"""Small data sets in the forms that are found in the wild, for tests of what reads them."""
