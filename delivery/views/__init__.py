"""Pages, fragments and actions of deliveries, and the public addresses that stand in messages."""
