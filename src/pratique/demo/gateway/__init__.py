"""A gateway that says who the client is: whose word for it does the API behind it take?"""
