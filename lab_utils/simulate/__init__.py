"""What would happen: autoscaling worked out step by step, fed with measured figures."""
