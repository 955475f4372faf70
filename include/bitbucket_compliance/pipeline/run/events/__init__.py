"""Events of webhooks: which run answers them, what it may spend on them, and what becomes of those that are left."""
