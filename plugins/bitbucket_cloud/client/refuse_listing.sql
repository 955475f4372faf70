-- Purpose: remember that a listing had more pages than it may have.

INSERT INTO integration.refused_listings (consumer, path, most_pages, refused_at)
VALUES (%(consumer)s, %(path)s, %(most_pages)s, clock_timestamp())
ON CONFLICT (consumer, path) DO UPDATE SET
    most_pages = excluded.most_pages,
    refused_at = excluded.refused_at;
