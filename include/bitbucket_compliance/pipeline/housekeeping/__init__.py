"""What time alone changes: expiry and retention."""
