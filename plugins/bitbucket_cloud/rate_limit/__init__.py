"""How many requests may be sent, and who has sent how many."""
