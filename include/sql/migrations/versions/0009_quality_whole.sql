-- Purpose: expectations for every staging table and for the results.

SELECT 1;
