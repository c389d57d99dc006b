/* A stand-in for the header of mbedTLS that the samples include. */
