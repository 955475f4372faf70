"""What has to hold after each of many publications, whatever happened between them."""
