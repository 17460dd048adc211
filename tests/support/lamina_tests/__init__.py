"""What the tests of the compiler share: graphs, random programs, and a machine to run them on."""
