"""A partner that scores orders: is its word the decision?"""
