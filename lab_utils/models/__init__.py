"""The models that the lessons serve, and the inputs they are given."""
