"""What would happen: queues, batches and replicas, event by event, fed with measured figures."""
