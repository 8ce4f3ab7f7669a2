"""Other ways to run the same network: conversion, compilation, other precisions."""
