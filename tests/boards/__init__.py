"""Linux boards to deploy to: real systems of other processors behind real SSH servers, on this machine."""
