"""Fixtures for Request Tracker."""
