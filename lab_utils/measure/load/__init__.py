"""Load on a service, from our own generators and from the field's tools, as one `LoadResult`."""
