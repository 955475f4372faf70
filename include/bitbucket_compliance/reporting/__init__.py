"""What others read: exports, explanations, notifications, the data contract, dashboards, queries."""
