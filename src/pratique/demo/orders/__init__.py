"""An orders service behind a gateway: does it believe the gateway what it says of the user?"""
