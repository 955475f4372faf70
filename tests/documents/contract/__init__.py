"""The published contract as a document: schema ``compliance`` in ODCS, its versions, its dictionary, its queries."""
