"""What the tests of an application that uses pratique can rely on."""
