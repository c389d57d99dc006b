/*
 * resolves.c - a port that waits on a resolver (expect: heap)
 */
struct addrinfo;
int getaddrinfo(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int pp_resolves(struct addrinfo **out)
{
    return getaddrinfo("example.org", "25", 0, out);
}
