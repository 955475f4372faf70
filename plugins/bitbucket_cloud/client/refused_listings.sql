-- Purpose: a consumer's listings that had too many pages not long ago, under the limit of today or a higher one.

SELECT path
FROM integration.refused_listings
WHERE
    consumer = %(consumer)s
    AND most_pages >= %(most_pages)s
    AND refused_at > clock_timestamp() - make_interval(hours => %(hours)s);
