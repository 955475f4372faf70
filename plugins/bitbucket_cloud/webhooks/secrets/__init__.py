"""The secrets that Bitbucket signs its deliveries with."""
