"""The OpenAPI document: what FastAPI knows of the parameters, and our words for the rest."""
