/*
 * test_dns_lookup.c - look-ups over a port in memory, whose name servers the test plays
 */
#include "dns_message.h"

/* ---- look-ups: a port with name servers that the test plays ---- */

static struct {
    unsigned servers; /* configured */
    int open_error;   /* what datagram_open gives instead of a socket */
    int receive_error;
    unsigned opened, sent;
    struct pp_address server; /* asked last */
    uint16_t ids[2];          /* of the last queries: A, AAAA */
    bool edns[2];
    struct message inbox[8];
    unsigned inbox_count;
    struct message tcp_in, tcp_out;
    size_t tcp_read;
    bool tcp_open, tcp_closed, tcp_refused;
    int sockets;
} net;

static const char *host_name = "mail.example";
static char asked_name[300]; /* of the last query, letter by letter */

static unsigned name_servers(void *ctx, struct pp_address *out, unsigned cap)
{
    (void)ctx;
    for (unsigned i = 0; i < net.servers && i < cap; i++)
        out[i] = (struct pp_address){.family = 4, .ip = {10, 0, 0, (uint8_t)(i + 1)}};
    return net.servers;
}

static unsigned hosts(void *ctx, const char *name, int family, struct pp_address *out, unsigned cap)
{
    (void)ctx;
    if (strcmp(name, "nas.lan") != 0 || family != 4 || cap < 1)
        return 0;
    out[0] = (struct pp_address){.family = 4, .ip = {10, 1, 1, 1}};
    return 1;
}

static int datagram_open(void *ctx, const struct pp_address *to)
{
    (void)ctx;
    assert_int_equal(to->port, 53);
    if (net.open_error != 0)
        return net.open_error;
    net.server = *to;
    net.opened++;
    net.sockets++;
    net.inbox_count = 0;
    return 3;
}

static void note_query(const uint8_t *q, size_t len)
{
    size_t end = 12 + strlen(host_name) + 2;
    assert_true(len >= end + 4);
    size_t i = q[end + 1] == PP_DNS_AAAA ? 1 : 0;
    size_t at = 0;
    for (const uint8_t *p = q + 12; *p != 0; p += *p + 1) {
        memcpy(asked_name + at, p + 1, *p);
        at += *p;
        asked_name[at++] = '.';
    }
    asked_name[at - 1] = '\0';
    net.ids[i] = pp_be16_get(q);
    net.edns[i] = q[11] == 1;
    assert_int_equal(len, end + 4 + (q[11] == 1 ? 11 : 0));
}

static int datagram_send(void *ctx, int socket, const void *bytes, size_t len)
{
    (void)ctx;
    assert_int_equal(socket, 3);
    net.sent++;
    note_query(bytes, len);
    return (int)len;
}

static int datagram_receive(void *ctx, int socket, void *out, size_t cap)
{
    (void)ctx;
    assert_int_equal(socket, 3);
    if (net.inbox_count == 0)
        return net.receive_error;
    struct message *m = &net.inbox[0];
    size_t len = m->len < cap ? m->len : cap;
    memcpy(out, m->bytes, len);
    memmove(net.inbox, net.inbox + 1, sizeof net.inbox - sizeof net.inbox[0]);
    net.inbox_count--;
    return (int)len;
}

static void datagram_close(void *ctx, int socket)
{
    (void)ctx;
    assert_int_equal(socket, 3);
    net.sockets--;
}

static int stream_connect(void *ctx, const struct pp_address *to)
{
    (void)ctx;
    assert_int_equal(to->ip[3], net.server.ip[3]);
    assert_int_equal(to->port, 53);
    if (net.tcp_refused)
        return PP_IO_REFUSED;
    net.tcp_open = true;
    net.tcp_out.len = net.tcp_in.len = net.tcp_read = 0;
    return 9;
}

static int stream_write(void *ctx, int stream, const void *bytes, size_t len)
{
    (void)ctx;
    assert_int_equal(stream, 9);
    size_t part = len < 5 ? len : 5;
    put(&net.tcp_out, bytes, part);
    return (int)part;
}

static int stream_read(void *ctx, int stream, void *out, size_t cap)
{
    (void)ctx;
    assert_int_equal(stream, 9);
    size_t len = net.tcp_in.len - net.tcp_read;
    if (len == 0)
        return net.tcp_closed ? PP_IO_CLOSED : 0;
    if (len > cap)
        len = cap;
    if (len > 3)
        len = 3;
    memcpy(out, net.tcp_in.bytes + net.tcp_read, len);
    net.tcp_read += len;
    return (int)len;
}

static void stream_watch(void *ctx, int stream, bool wants_read, bool wants_write)
{
    (void)ctx;
    assert_int_equal(stream, 9);
    assert_true(wants_read != wants_write);
}

static void stream_close(void *ctx, int stream)
{
    (void)ctx;
    assert_int_equal(stream, 9);
    assert_true(net.tcp_open);
    net.tcp_open = false;
}

static const struct pp_port port = {.name_servers = name_servers,
                                    .hosts = hosts,
                                    .datagram_open = datagram_open,
                                    .datagram_send = datagram_send,
                                    .datagram_receive = datagram_receive,
                                    .datagram_close = datagram_close,
                                    .stream_connect = stream_connect,
                                    .stream_write = stream_write,
                                    .stream_read = stream_read,
                                    .stream_watch = stream_watch,
                                    .stream_close = stream_close};

static struct pp_resolver resolver;
static struct pp_dns_lookup lookup;
static struct pp_dns_answer answer;

static struct pp_dns_config config;

static void start(const char *name, uint8_t family)
{
    memset(&net, 0, sizeof net);
    net.servers = 2;
    host_name = name;
    pp_resolver_init(&resolver, &port, &config);
    assert_int_equal(pp_dns_start(&lookup, &resolver, name, family, 30000, 1000), PP_OK);
}

static struct message *mail_for(unsigned flags, size_t i, unsigned answers)
{
    struct message *m = &net.inbox[net.inbox_count++];
    begin_answer(m, net.ids[i], flags, asked_name, i == 0 ? PP_DNS_A : PP_DNS_AAAA, answers);
    return m;
}

static void test_lookup_both(void **state)
{
    (void)state;
    start("mail.example", 0);
    assert_int_equal(pp_dns_deadline_ms(&lookup), 1000);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    assert_int_equal(net.sent, 2);
    assert_int_equal(net.server.ip[3], 1);
    assert_true(net.edns[0] && net.edns[1]);
    assert_int_equal(pp_dns_deadline_ms(&lookup), 3000);
    struct message *m = mail_for(0, 0, 2);
    put_record(m, "@12", PP_DNS_A, ip4, 4);
    put_record(m, "@12", PP_DNS_A, ip4b, 4);
    assert_int_equal(pp_dns_poll(&lookup, 1100, &answer), PP_ERR_LATER);
    assert_int_equal(pp_dns_deadline_ms(&lookup), 1150);
    /* The other family is late: what is there may be tried. */
    assert_int_equal(pp_dns_poll(&lookup, 1150, &answer), PP_OK);
    assert_int_equal(answer.count, 2);
    assert_true(lookup.active);
    m = mail_for(0, 1, 1);
    put_record(m, "@12", PP_DNS_AAAA, ip6, 16);
    assert_int_equal(pp_dns_poll(&lookup, 1200, &answer), PP_OK);
    assert_false(lookup.active);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.addresses[0].family, 6);
    assert_int_equal(answer.addresses[1].family, 4);
    assert_int_equal(answer.addresses[2].family, 4);
    assert_int_equal(net.sockets, 0);
    assert_int_equal(pp_dns_deadline_ms(&lookup), PP_TIME_NEVER);
    assert_int_equal(pp_dns_poll(&lookup, 1200, &answer), PP_ERR_STATE);
}

static void test_lookup_at_once(void **state)
{
    static const struct {
        const char *name;
        uint8_t family;
        uint32_t count;
        uint8_t first; /* family */
    } cases[] = {{"192.0.2.9", 0, 1, 4},    {"[2001:db8::9]", 0, 1, 6}, {"localhost", 0, 2, 6},
                 {"x.localhost.", 4, 1, 4}, {"nas.lan", 0, 1, 4},       {"nas.lan.", 4, 1, 4},
                 {"192.0.2.9", 6, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(cases[i].name, cases[i].family);
        assert_int_equal(pp_dns_deadline_ms(&lookup), 1000);
        assert_int_equal(pp_dns_poll(&lookup, 1000, &answer),
                         cases[i].count > 0 ? PP_OK : PP_ERR_NOT_FOUND);
        assert_int_equal(answer.count, cases[i].count);
        assert_int_equal(answer.addresses[0].family, cases[i].first);
        assert_int_equal(net.opened, 0);
    }
    assert_int_equal(pp_dns_start(&lookup, &resolver, "a..b", 0, 1, 1), PP_ERR_SYNTAX);
    assert_int_equal(pp_dns_start(&lookup, &resolver, "", 0, 1, 1), PP_ERR_SYNTAX);
    assert_int_equal(pp_dns_poll(&lookup, 1, &answer), PP_ERR_STATE);
}

static void test_lookup_absent(void **state)
{
    (void)state;
    start("mail.example", 0);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    (void)mail_for(3, 0, 0);
    (void)mail_for(3, 1, 0);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_NOT_FOUND);
    /* No data in one family is no error. */
    start("mail.example", 0);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    put_record(mail_for(0, 0, 1), "@12", PP_DNS_A, ip4, 4);
    (void)mail_for(0, 1, 0);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_OK);
    assert_int_equal(answer.count, 1);
    /* No data in both is. */
    start("mail.example", 0);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    (void)mail_for(0, 0, 0);
    (void)mail_for(0, 1, 0);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_NOT_FOUND);
}

static void test_lookup_one_family_fails(void **state)
{
    (void)state;
    /* SERVFAIL for AAAA: the other family's addresses are enough. */
    start("mail.example", 0);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    put_record(mail_for(0, 0, 1), "@12", PP_DNS_A, ip4, 4);
    (void)mail_for(2, 1, 0);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_OK);
    assert_int_equal(answer.count, 1);
    /* No answer at all for it: not longer than one round. */
    start("mail.example", 0);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    put_record(mail_for(0, 0, 1), "@12", PP_DNS_A, ip4, 4);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_LATER);
    assert_int_equal(pp_dns_poll(&lookup, 3000, &answer), PP_OK);
    assert_int_equal(answer.count, 1);
    /* All servers fail: that is not "no such name". */
    start("mail.example", 0);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    (void)mail_for(3, 0, 0);
    (void)mail_for(2, 1, 0);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_LATER);
    assert_int_equal(net.server.ip[3], 2);
    assert_false(net.edns[1]); /* perhaps it was EDNS */
    (void)mail_for(2, 1, 0);
    assert_int_equal(pp_dns_poll(&lookup, 1002, &answer), PP_ERR_REFUSED);
    assert_int_equal(net.sockets, 0);
}

static void test_lookup_timeout(void **state)
{
    static const pp_time_ms resent[] = {3000, 5000, 9000, 13000, 21000, 29000};
    uint16_t ids[8];
    (void)state;
    start("mail.example", 4);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    assert_int_equal(net.sent, 1);
    ids[0] = net.ids[0];
    for (size_t i = 0; i < sizeof resent / sizeof *resent; i++) {
        assert_int_equal(pp_dns_deadline_ms(&lookup), resent[i]);
        assert_int_equal(pp_dns_poll(&lookup, resent[i] - 1, &answer), PP_ERR_LATER);
        assert_int_equal(net.sent, i + 1);
        assert_int_equal(pp_dns_poll(&lookup, resent[i], &answer), PP_ERR_LATER);
        assert_int_equal(net.sent, i + 2);
        assert_int_equal(net.opened, i + 2); /* a new port each time */
        assert_int_equal(net.server.ip[3], (i + 1) % 2 + 1);
        ids[i + 1] = net.ids[0];
    }
    assert_int_equal(pp_dns_deadline_ms(&lookup), 31000);
    assert_int_equal(pp_dns_poll(&lookup, 31000, &answer), PP_ERR_TIMEOUT);
    assert_int_equal(net.sockets, 0);
    unsigned same = 0;
    for (size_t i = 1; i < 7; i++)
        same += ids[i] == ids[i - 1];
    assert_true(same < 3);
}

static void test_lookup_forged(void **state)
{
    (void)state;
    start("mail.example", 4);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    /* Wrong id, wrong name, wrong type, noise: passed over. */
    struct message *m = mail_for(0, 0, 1);
    put_record(m, "@12", PP_DNS_A, ip4b, 4);
    m->bytes[0] ^= 1;
    m = mail_for(0, 0, 1);
    m->bytes[13] = 'x';
    put_record(m, "@12", PP_DNS_A, ip4b, 4);
    net.ids[1] = net.ids[0];
    (void)mail_for(3, 1, 0);
    net.inbox[net.inbox_count++].len = 5;
    m = mail_for(0, 0, 1);
    put_record(m, "@12", PP_DNS_A, ip4, 4);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_OK);
    assert_int_equal(answer.count, 1);
    assert_memory_equal(answer.addresses[0].ip, ip4, 4);
}

static void test_lookup_unreachable(void **state)
{
    (void)state;
    start("mail.example", 0);
    net.servers = 0;
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_UNREACHABLE);
    start("mail.example", 0);
    net.open_error = PP_IO_UNREACHABLE;
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_UNREACHABLE);
    /* The first server is not there, the second is. */
    start("mail.example", 4);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    net.receive_error = PP_IO_REFUSED;
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_LATER);
    assert_int_equal(net.server.ip[3], 2);
    net.receive_error = 0;
    put_record(mail_for(0, 0, 1), "@12", PP_DNS_A, ip4, 4);
    assert_int_equal(pp_dns_poll(&lookup, 1002, &answer), PP_OK);
    /* Neither is. */
    start("mail.example", 4);
    net.receive_error = PP_IO_REFUSED;
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_LATER);
    assert_int_equal(pp_dns_poll(&lookup, 1002, &answer), PP_ERR_UNREACHABLE);
    assert_int_equal(net.sockets, 0);
    /* Stopped in the middle. */
    start("mail.example", 4);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    pp_dns_stop(&lookup);
    pp_dns_stop(&lookup);
    assert_int_equal(net.sockets, 0);
}

static void tcp_answer(unsigned records)
{
    struct message m;
    uint8_t len[2];
    assert_int_equal(pp_be16_get(net.tcp_out.bytes), net.tcp_out.len - 2);
    note_query(net.tcp_out.bytes + 2, net.tcp_out.len - 2);
    begin_answer(&m, net.ids[0], 0, asked_name, PP_DNS_A, records);
    for (unsigned i = 0; i < records; i++)
        put_record(&m, "@12", PP_DNS_A, ip4, 4);
    pp_be16_put(len, (uint16_t)m.len);
    put(&net.tcp_in, len, 2);
    put(&net.tcp_in, m.bytes, m.len);
}

static void test_lookup_tcp(void **state)
{
    (void)state;
    /* Three answers: a small one, one beyond our buffer, and none. */
    for (int how = 0; how < 3; how++) {
        start("mail.example", 0);
        assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
        (void)mail_for(0x200, 0, 0);
        (void)mail_for(0, 1, 0);
        assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_LATER);
        assert_true(net.tcp_open);
        for (int i = 0; i < 30; i++)
            assert_int_equal(pp_dns_poll(&lookup, 1002, &answer), PP_ERR_LATER);
        if (how == 2) {
            net.tcp_closed = true;
            assert_int_equal(pp_dns_poll(&lookup, 1003, &answer), PP_ERR_LATER);
            assert_false(net.tcp_open);
            assert_int_equal(net.server.ip[3], 2);
            pp_dns_stop(&lookup);
            continue;
        }
        tcp_answer(how == 0 ? 3 : 200);
        enum pp_err err = PP_ERR_LATER;
        for (int i = 0; i < 2000 && err == PP_ERR_LATER; i++)
            err = pp_dns_poll(&lookup, 1003, &answer);
        assert_int_equal(err, PP_OK);
        assert_int_equal(answer.count, how == 0 ? 3 : PP_DNS_ADDRESSES);
        assert_false(net.tcp_open);
        assert_int_equal(net.sockets, 0);
    }
    /* No TCP there: the next server is asked. */
    start("mail.example", 4);
    net.tcp_refused = true;
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    (void)mail_for(0x200, 0, 0);
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_ERR_LATER);
    assert_int_equal(net.server.ip[3], 2);
    put_record(mail_for(0, 0, 1), "@12", PP_DNS_A, ip4, 4);
    assert_int_equal(pp_dns_poll(&lookup, 1002, &answer), PP_OK);
}

/* Letters of any case come back as they were sent; else TCP is asked, which nobody can guess into.
 */
static void test_case_of_letters(void **state)
{
    char first[sizeof asked_name];
    (void)state;
    start("some-long-name-of.mail.example", 4);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    memcpy(first, asked_name, sizeof first);
    assert_true(strcmp(first, host_name) != 0);
    assert_true(pp_text_equal_nocase(pp_text_z(first), pp_text_z(host_name)));
    assert_int_equal(pp_dns_poll(&lookup, 3000, &answer), PP_ERR_LATER);
    assert_true(strcmp(first, asked_name) != 0);
    memcpy(asked_name, host_name, strlen(host_name) + 1);
    put_record(mail_for(0, 0, 1), "@12", PP_DNS_A, ip4b, 4);
    assert_int_equal(pp_dns_poll(&lookup, 3001, &answer), PP_ERR_LATER);
    assert_true(net.tcp_open);
    for (int i = 0; i < 30; i++)
        assert_int_equal(pp_dns_poll(&lookup, 3002, &answer), PP_ERR_LATER);
    tcp_answer(1);
    enum pp_err err = PP_ERR_LATER;
    for (int i = 0; i < 200 && err == PP_ERR_LATER; i++)
        err = pp_dns_poll(&lookup, 3003, &answer);
    assert_int_equal(err, PP_OK);
    assert_memory_equal(answer.addresses[0].ip, ip4, 4);
}

/* The AD bit of a server on this machine counts, or where it was said that it does. */
static void test_trusted(void **state)
{
    static const struct {
        enum pp_dns_trusted trusted;
        bool local, counts;
    } cases[] = {{PP_DNS_TRUSTED_LOCAL, false, false},
                 {PP_DNS_TRUSTED_LOCAL, true, true},
                 {PP_DNS_TRUSTED_YES, false, true},
                 {PP_DNS_TRUSTED_NO, true, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        config = (struct pp_dns_config){.trusted = cases[i].trusted};
        if (cases[i].local) {
            config.server_count = 1;
            config.servers[0] = (struct pp_dns_server){.family = 4, .ip = {127, 0, 0, 53}};
        }
        for (unsigned bit = 0; bit <= 0x20; bit += 0x20) {
            start("mail.example", 4);
            assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
            assert_int_equal(net.server.ip[0], cases[i].local ? 127 : 10);
            put_record(mail_for(bit, 0, 1), "@12", PP_DNS_A, ip4, 4);
            assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_OK);
            assert_int_equal(answer.authentic, bit != 0 && cases[i].counts);
            /* The same out of the cache. */
            assert_int_equal(pp_dns_start(&lookup, &resolver, "MAIL.example.", 4, 30000, 2000),
                             PP_OK);
            assert_int_equal(pp_dns_poll(&lookup, 2000, &answer), PP_OK);
            assert_int_equal(answer.authentic, bit != 0 && cases[i].counts);
            assert_int_equal(answer.count, 1);
            assert_int_equal(net.sent, 1);
        }
    }
    config = (struct pp_dns_config){0};
}

static void test_other_types(void **state)
{
    (void)state;
    start("mail.example", 4);
    assert_int_equal(pp_dns_start_type(&lookup, &resolver, host_name, PP_DNS_MX, 30000, 1000),
                     PP_OK);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    assert_int_equal(net.sent, 1);
    struct message *m = &net.inbox[net.inbox_count++];
    begin_answer(m, net.ids[0], 0, asked_name, PP_DNS_MX, 1);
    put_service(m, PP_DNS_MX, 10, -1, -1, "mx.example");
    assert_int_equal(pp_dns_poll(&lookup, 1001, &answer), PP_OK);
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.services[0].host, "mx.example");
    /* localhost and the table of hosts have addresses, and nothing else. */
    start("localhost", 4);
    assert_int_equal(pp_dns_start_type(&lookup, &resolver, "localhost", PP_DNS_MX, 30000, 1000),
                     PP_OK);
    assert_int_equal(pp_dns_poll(&lookup, 1000, &answer), PP_ERR_LATER);
    (void)mail_for(3, 0, 0);
    pp_dns_stop(&lookup);
    assert_int_equal(net.sockets, 0);
}

/* ---- what is remembered ---- */

static void remember(struct pp_dns_cache *cache, const char *name, unsigned flags, unsigned ttl_s,
                     pp_time_ms now_ms)
{
    struct message m;
    struct pp_dns_answer a;
    begin_answer(&m, 7, flags, name, PP_DNS_A, flags == 0 ? 1 : 0);
    if (flags == 0)
        put_record_for(&m, "@12", PP_DNS_A, ttl_s, ip4, 4);
    else
        put_soa(&m, "example", ttl_s);
    enum pp_err err = pp_dns_response(m.bytes, m.len, 7, name, PP_DNS_A, &a);
    assert_int_equal(err, flags == 0 ? PP_OK : PP_ERR_NOT_FOUND);
    pp_dns_cache_put(cache, m.bytes, m.len, &a, true, now_ms);
}

static void test_cache(void **state)
{
    static struct pp_dns_cache cache;
    struct pp_dns_answer a;
    char name[32] = "a.example";
    (void)state;
    remember(&cache, "One.Example", 0, 60, 1000);
    remember(&cache, "none.example", 3, 60, 1000);
    assert_int_equal(pp_dns_cache_get(&cache, "oNE.example.", PP_DNS_A, 2000, &a), PP_OK);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.ttl_s, 59);
    assert_int_equal(pp_dns_cache_get(&cache, "one.example", PP_DNS_AAAA, 2000, &a), PP_ERR_EMPTY);
    assert_int_equal(pp_dns_cache_get(&cache, "two.example", PP_DNS_A, 2000, &a), PP_ERR_EMPTY);
    assert_int_equal(pp_dns_cache_get(&cache, "none.example", PP_DNS_A, 2000, &a),
                     PP_ERR_NOT_FOUND);
    assert_int_equal(pp_dns_cache_get(&cache, "one.example", PP_DNS_A, 60999, &a), PP_OK);
    assert_int_equal(pp_dns_cache_get(&cache, "one.example", PP_DNS_A, 61000, &a), PP_ERR_EMPTY);
    /* Not to be remembered, or for ever. */
    remember(&cache, "zero.example", 0, 0, 1000);
    assert_int_equal(pp_dns_cache_get(&cache, "zero.example", PP_DNS_A, 1000, &a), PP_ERR_EMPTY);
    remember(&cache, "ever.example", 0, 0x7fffffff, 1000);
    assert_int_equal(pp_dns_cache_get(&cache, "ever.example", PP_DNS_A, 1000, &a), PP_OK);
    assert_int_equal(a.ttl_s, PP_DNS_CACHE_TTL_S);
    remember(&cache, "no.example", 3, 0x7fffffff, 1000);
    assert_int_equal(pp_dns_cache_get(&cache, "no.example", PP_DNS_A, 1000, &a), PP_ERR_NOT_FOUND);
    assert_int_equal(a.ttl_s, PP_DNS_CACHE_NO_TTL_S);
    pp_dns_cache_forget(&cache, "EVER.example");
    assert_int_equal(pp_dns_cache_get(&cache, "ever.example", PP_DNS_A, 1000, &a), PP_ERR_EMPTY);
    /* Full: the one that ends first gives way. */
    pp_dns_cache_clear(&cache);
    for (unsigned i = 0; i <= PP_DNS_CACHE; i++) {
        name[0] = (char)('a' + i);
        remember(&cache, name, 0, 100 + i, 1000);
    }
    assert_int_equal(pp_dns_cache_get(&cache, "a.example", PP_DNS_A, 1000, &a), PP_ERR_EMPTY);
    assert_int_equal(pp_dns_cache_get(&cache, "b.example", PP_DNS_A, 1000, &a), PP_OK);
    assert_int_equal(pp_dns_cache_get(&cache, name, PP_DNS_A, 1000, &a), PP_OK);
}

static int entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 3);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return pp_crypto_seed(entropy, NULL) == PP_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_both),        cmocka_unit_test(test_lookup_at_once),
        cmocka_unit_test(test_lookup_absent),      cmocka_unit_test(test_lookup_one_family_fails),
        cmocka_unit_test(test_lookup_timeout),     cmocka_unit_test(test_lookup_forged),
        cmocka_unit_test(test_lookup_unreachable), cmocka_unit_test(test_lookup_tcp),
        cmocka_unit_test(test_case_of_letters),    cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_other_types),        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests_name("dns_lookup", tests, set_up, NULL);
}
