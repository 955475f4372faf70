"""Policy: switches, severities and thresholds as validated, versioned data."""
