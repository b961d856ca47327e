"""The supervisor in other people's servers; it stands outside of them, and outlives each request."""
