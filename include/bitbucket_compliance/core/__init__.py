"""What every room uses: errors, the database connection, locks."""
