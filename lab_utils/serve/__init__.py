"""The services that lessons start and labs improve."""
