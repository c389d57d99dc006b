/*
 * test_dns.c - DNS messages made and read, and address texts
 */
#include "dns_message.h"

static enum pp_err read_as(const struct message *m, const char *name, enum pp_dns_type type,
                           struct pp_dns_answer *answer)
{
    /* In memory of exactly that size, so that a step too far is seen. */
    uint8_t *exact = test_malloc(m->len + 1);
    memcpy(exact, m->bytes, m->len);
    enum pp_err err = pp_dns_response(exact, m->len, 7, name, type, answer);
    test_free(exact);
    return err;
}

/* ---- the codec ---- */

static void test_query(void **state)
{
    static const uint8_t expected[] = {
        0x12, 0x34, 1,   0x20, 0, 1, 0,  0, 0, 0, 0, 1,  4, 'm',  'a', 'i', 'l', 7, 'e', 'x', 'a',
        'm',  'p',  'l', 'e',  0, 0, 28, 0, 1, 0, 0, 41, 4, 0xd0, 0,   0,   0,   0, 0,   0};
    uint8_t out[512];
    char name[300];
    size_t len;
    (void)state;
    assert_int_equal(pp_dns_query(out, sizeof out, &len, 0x1234, "mail.example", PP_DNS_AAAA),
                     PP_OK);
    assert_int_equal(len, sizeof expected);
    assert_memory_equal(out, expected, len);
    assert_int_equal(pp_dns_query(out, sizeof out, &len, 0x1234, "mail.example.", PP_DNS_AAAA),
                     PP_OK);
    assert_memory_equal(out, expected, len);
    for (size_t cap = 0; cap < sizeof expected; cap++)
        assert_int_equal(pp_dns_query(out, cap, &len, 1, "mail.example", PP_DNS_A), PP_ERR_TOO_BIG);
    static const char *const bad[] = {"",    ".",   "a..b",  ".a",
                                      "a..", "a b", "a\n.b", "caf\xc3\xa9.example"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pp_dns_query(out, sizeof out, &len, 1, bad[i], PP_DNS_A), PP_ERR_SYNTAX);
    memset(name, 'a', sizeof name);
    name[63] = '\0';
    assert_int_equal(pp_dns_query(out, sizeof out, &len, 1, name, PP_DNS_A), PP_OK);
    name[63] = 'a';
    name[64] = '\0';
    assert_int_equal(pp_dns_query(out, sizeof out, &len, 1, name, PP_DNS_A), PP_ERR_SYNTAX);
    for (size_t i = 0; i < 253; i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    name[253] = '\0';
    assert_int_equal(pp_dns_query(out, sizeof out, &len, 1, name, PP_DNS_A), PP_OK);
    name[253] = 'a';
    name[254] = '\0';
    assert_int_equal(pp_dns_query(out, sizeof out, &len, 1, name, PP_DNS_A), PP_ERR_SYNTAX);
}

static void test_answers(void **state)
{
    struct message m;
    struct pp_dns_answer a;
    (void)state;
    begin_answer(&m, 7, 0, "mail.example", PP_DNS_A, 2);
    put_record(&m, "@12", PP_DNS_A, ip4, 4);
    put_record(&m, "mail.example", PP_DNS_A, ip4b, 4);
    assert_int_equal(read_as(&m, "mail.example.", PP_DNS_A, &a), PP_OK);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.ttl_s, 300);
    assert_int_equal(a.addresses[0].family, 4);
    assert_memory_equal(a.addresses[0].ip, ip4, 4);
    assert_memory_equal(a.addresses[1].ip, ip4b, 4);
    begin_answer(&m, 7, 0, "mail.example", PP_DNS_AAAA, 1);
    put_record(&m, "@12", PP_DNS_AAAA, ip6, 16);
    assert_int_equal(read_as(&m, "mail.example", PP_DNS_AAAA, &a), PP_OK);
    assert_memory_equal(a.addresses[0].ip, ip6, 16);
    assert_int_equal(a.addresses[0].family, 6);
    /* No data, and what other names have is not ours. */
    begin_answer(&m, 7, 0, "mail.example", PP_DNS_A, 1);
    put_record(&m, "evil.example", PP_DNS_A, ip4, 4);
    assert_int_equal(read_as(&m, "mail.example", PP_DNS_A, &a), PP_OK);
    assert_int_equal(a.count, 0);
    /* A blocking resolver's way to say no. */
    begin_answer(&m, 7, 0, "mail.example", PP_DNS_A, 1);
    put_record(&m, "@12", PP_DNS_A, "\0\0\0\0", 4);
    assert_int_equal(read_as(&m, "mail.example", PP_DNS_A, &a), PP_OK);
    assert_int_equal(a.count, 0);
    /* More than there is room for. */
    begin_answer(&m, 7, 0, "mail.example", PP_DNS_A, 40);
    for (int i = 0; i < 40; i++)
        put_record(&m, "@12", PP_DNS_A, ip4, 4);
    assert_int_equal(read_as(&m, "mail.example", PP_DNS_A, &a), PP_OK);
    assert_int_equal(a.count, PP_DNS_ADDRESSES);
}

static void test_aliases(void **state)
{
    struct message m;
    struct pp_dns_answer a;
    char from[8] = "aa.x", to[8] = "ab.x";
    (void)state;
    /* In the order of the chain, and against it. */
    for (int reverse = 0; reverse < 2; reverse++) {
        begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 3);
        if (reverse)
            put_record(&m, "c.x", PP_DNS_A, ip4, 4);
        put_alias(&m, reverse ? "b.x" : "a.x", reverse ? "c.x" : "b.x");
        put_alias(&m, reverse ? "a.x" : "B.X", reverse ? "b.x" : "c.x");
        if (!reverse)
            put_record(&m, "C.x", PP_DNS_A, ip4, 4);
        assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_OK);
        assert_int_equal(a.count, 1);
    }
    /* A ring ends, a chain that is too long too. */
    begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 2);
    put_alias(&m, "a.x", "b.x");
    put_alias(&m, "b.x", "a.x");
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_OK);
    assert_int_equal(a.count, 0);
    for (unsigned links = 7; links <= 8; links++) {
        begin_answer(&m, 7, 0, "aa.x", PP_DNS_A, links + 1);
        for (unsigned i = 0; i < links; i++) {
            from[1] = (char)('a' + i);
            to[1] = (char)('b' + i);
            put_alias(&m, from, to);
        }
        put_record(&m, to, PP_DNS_A, ip4, 4);
        assert_int_equal(read_as(&m, "aa.x", PP_DNS_A, &a), PP_OK);
        assert_int_equal(a.count, links == 7 ? 1 : 0);
    }
}

static void test_refusals(void **state)
{
    struct message m;
    struct pp_dns_answer a;
    (void)state;
    begin_answer(&m, 7, 3, "a.x", PP_DNS_A, 0);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_NOT_FOUND);
    for (unsigned code = 1; code < 16; code++) {
        begin_answer(&m, 7, code, "a.x", PP_DNS_A, 0);
        assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a),
                         code == 3 ? PP_ERR_NOT_FOUND : PP_ERR_REFUSED);
    }
    begin_answer(&m, 7, 0x200, "a.x", PP_DNS_A, 0);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_TOO_BIG);
    /* Not an answer to this question. */
    begin_answer(&m, 8, 0, "a.x", PP_DNS_A, 0);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_STATE);
    begin_answer(&m, 7, 0, "b.x", PP_DNS_A, 0);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_STATE);
    begin_answer(&m, 7, 0, "a.x", PP_DNS_AAAA, 0);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_STATE);
    begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 0);
    m.bytes[2] &= 0x7f; /* a query */
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_STATE);
    begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 0);
    m.bytes[5] = 2; /* two questions */
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_STATE);
    /* A label with a dot inside is another name. */
    begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 0);
    memcpy(m.bytes + 12, "\3a.x", 4);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_STATE);
}

static void test_malformed(void **state)
{
    struct message m;
    struct pp_dns_answer a;
    (void)state;
    begin_answer(&m, 7, 0, "mail.example", PP_DNS_A, 3);
    put_alias(&m, "@12", "host.example");
    put_record(&m, "host.example", PP_DNS_A, ip4, 4);
    put_record(&m, "host.example", PP_DNS_A, ip4b, 4);
    assert_int_equal(read_as(&m, "mail.example", PP_DNS_A, &a), PP_OK);
    assert_int_equal(a.count, 2);
    /* Cut at any place. */
    for (size_t len = m.len; len-- > 0;) {
        struct message cut = m;
        cut.len = len;
        enum pp_err err = read_as(&cut, "mail.example", PP_DNS_A, &a);
        assert_true(err == PP_ERR_SYNTAX || err == PP_ERR_STATE);
        assert_int_equal(a.count, 0);
    }
    /* Any byte changed. */
    for (size_t at = 0; at < m.len; at++) {
        for (unsigned v = 0; v < 256; v++) {
            struct message bad = m;
            bad.bytes[at] = (uint8_t)v;
            (void)read_as(&bad, "mail.example", PP_DNS_A, &a);
        }
    }
    /* Addresses of a wrong size. */
    begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 1);
    put_record(&m, "@12", PP_DNS_A, ip6, 16);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_SYNTAX);
    /* Pointers to themselves, to each other, forward, into the header (its id, 7, reads as the
     * root's name). */
    static const char *const loops[] = {"@21", "@22", "@23", "@400", "@0", "@2", "@11"};
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 2);
        assert_int_equal(m.len, 21);
        put_record(&m, loops[i], PP_DNS_A, ip4, 4);
        put_record(&m, "@21", PP_DNS_A, ip4, 4);
        assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_SYNTAX);
    }
    /* A name that grows beyond 255 bytes through pointers. */
    begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 1);
    for (int i = 0; i < 5; i++) {
        uint8_t label[64];
        memset(label, 'y', sizeof label);
        label[0] = 63;
        put(&m, label, sizeof label);
    }
    put(&m, "", 1);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_SYNTAX);
}

/* ---- other records ---- */

static void test_services(void **state)
{
    struct message m;
    struct pp_dns_answer a;
    (void)state;
    begin_answer(&m, 7, 0, "x", PP_DNS_MX, 4);
    put_service(&m, PP_DNS_MX, 20, -1, -1, "b.x");
    put_service(&m, PP_DNS_MX, 10, -1, -1, "a.x");
    put_service(&m, PP_DNS_MX, 20, -1, -1, "c.x");
    put_service(&m, PP_DNS_MX, 5, -1, -1, "no host.x");
    assert_int_equal(read_as(&m, "x", PP_DNS_MX, &a), PP_OK);
    assert_int_equal(a.count, 3);
    assert_int_equal(a.unusable, 1);
    assert_string_equal(a.services[0].host, "a.x");
    assert_int_equal(a.services[0].priority, 10);
    assert_string_equal(a.services[1].host, "b.x");
    assert_string_equal(a.services[2].host, "c.x");
    /* The best of more than there is room for. */
    begin_answer(&m, 7, 0, "x", PP_DNS_MX, 2 * PP_DNS_SERVICES);
    for (unsigned i = 0; i < 2 * PP_DNS_SERVICES; i++)
        put_service(&m, PP_DNS_MX, 100 - i, -1, -1, "a.x");
    assert_int_equal(read_as(&m, "x", PP_DNS_MX, &a), PP_OK);
    assert_int_equal(a.count, PP_DNS_SERVICES);
    for (unsigned i = 0; i < PP_DNS_SERVICES; i++)
        assert_int_equal(a.services[i].priority, 100 - 2 * PP_DNS_SERVICES + 1 + i);
    begin_answer(&m, 7, 0, "_submission._tcp.x", PP_DNS_SRV, 2);
    put_service(&m, PP_DNS_SRV, 1, 7, 587, "Mail.X");
    put_service(&m, PP_DNS_SRV, 2, 0, 0, "");
    assert_int_equal(read_as(&m, "_submission._tcp.x", PP_DNS_SRV, &a), PP_OK);
    assert_int_equal(a.count, 2);
    assert_string_equal(a.services[0].host, "Mail.X");
    assert_int_equal(a.services[0].weight, 7);
    assert_int_equal(a.services[0].port, 587);
    assert_string_equal(a.services[1].host, "");
    /* Data that ends too early or goes on, in a name and before it. */
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"", 0}, {"\0\1", 2}, {"\0\1\1a", 4}, {"\0\1\1a\0x", 6}, {"\0\1\100a", 4}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin_answer(&m, 7, 0, "x", PP_DNS_MX, 1);
        put_record(&m, "@12", PP_DNS_MX, bad[i].bytes, bad[i].len);
        assert_int_equal(read_as(&m, "x", PP_DNS_MX, &a), PP_ERR_SYNTAX);
        assert_int_equal(a.count, 0);
    }
}

static void test_tlsa(void **state)
{
    struct message m;
    struct pp_dns_answer a;
    static const struct {
        uint8_t usage, selector, matching, len;
        bool usable;
    } cases[] = {{3, 1, 1, 32, true},  {3, 0, 2, 64, true},  {2, 0, 1, 32, true},
                 {2, 1, 2, 64, true},  {0, 0, 1, 32, false}, {1, 1, 1, 32, false},
                 {3, 1, 0, 32, false}, {3, 2, 1, 32, false}, {3, 1, 1, 31, false},
                 {3, 1, 1, 33, false}, {3, 1, 2, 32, false}, {255, 1, 1, 32, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t data[3 + 64] = {cases[i].usage, cases[i].selector, cases[i].matching};
        memset(data + 3, (int)i + 1, 64);
        begin_answer(&m, 7, 0, "_25._tcp.x", PP_DNS_TLSA, 1);
        put_record(&m, "@12", PP_DNS_TLSA, data, 3u + cases[i].len);
        assert_int_equal(read_as(&m, "_25._tcp.x", PP_DNS_TLSA, &a), PP_OK);
        assert_int_equal(a.count, cases[i].usable ? 1 : 0);
        assert_int_equal(a.unusable, cases[i].usable ? 0 : 1);
        if (cases[i].usable) {
            assert_int_equal(a.tlsa[0].len, cases[i].len);
            assert_memory_equal(a.tlsa[0].data, data + 3, cases[i].len);
        }
    }
    begin_answer(&m, 7, 0, "_25._tcp.x", PP_DNS_TLSA, 1);
    put_record(&m, "@12", PP_DNS_TLSA, "\3\1\1", 3);
    assert_int_equal(read_as(&m, "_25._tcp.x", PP_DNS_TLSA, &a), PP_ERR_SYNTAX);
}

/* What the AD bit says, what aliases lead to, and how long a "no" counts. */
static void test_facts(void **state)
{
    struct message m;
    struct pp_dns_answer a;
    (void)state;
    begin_answer(&m, 7, 0x20, "a.x", PP_DNS_A, 2);
    put_alias(&m, "a.x", "Host.y");
    put_record(&m, "host.Y", PP_DNS_A, ip4, 4);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_OK);
    assert_true(a.authentic);
    assert_string_equal(a.name, "Host.y");
    begin_answer(&m, 7, 0, "a.x", PP_DNS_A, 1);
    put_record(&m, "@12", PP_DNS_A, ip4, 4);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_OK);
    assert_false(a.authentic);
    for (unsigned code = 0; code <= 3; code += 3) {
        begin_answer(&m, 7, code | 0x20, "a.b.x", PP_DNS_A, 0);
        put_soa(&m, "b.x", 77);
        assert_int_equal(read_as(&m, "a.b.x", PP_DNS_A, &a), code == 0 ? PP_OK : PP_ERR_NOT_FOUND);
        assert_int_equal(a.ttl_s, 77);
        assert_true(a.authentic);
        /* Of another zone, or cut off. */
        begin_answer(&m, 7, code, "a.b.x", PP_DNS_A, 0);
        put_soa(&m, "c.x", 77);
        (void)read_as(&m, "a.b.x", PP_DNS_A, &a);
        assert_int_equal(a.ttl_s, 0);
        m.len -= 1;
        (void)read_as(&m, "a.b.x", PP_DNS_A, &a);
        assert_int_equal(a.ttl_s, 0);
    }
    /* The right question in another case. */
    begin_answer(&m, 7, 0, "A.x", PP_DNS_A, 1);
    put_record(&m, "@12", PP_DNS_A, ip4, 4);
    assert_int_equal(read_as(&m, "a.x", PP_DNS_A, &a), PP_ERR_TRUST);
    assert_int_equal(a.count, 0);
}

/* ---- address texts ---- */

static void check_address(const char *text, const char *expected)
{
    struct pp_address address;
    char out[80];
    struct pp_writer w;
    if (!pp_address_parse(pp_text_z(text), &address))
        fail_msg("not read: %s", text);
    pp_writer_init(&w, out, sizeof out - 1);
    pp_put_address(&w, &address, false);
    out[w.len] = '\0';
    assert_string_equal(out, expected);
}

static void test_addresses(void **state)
{
    static const char *const bad[] = {"",
                                      "1.2.3",
                                      "1.2.3.4.5",
                                      "1.2.3.256",
                                      "01.2.3.4",
                                      "1.2.3.",
                                      ".1.2.3",
                                      "1..2.3",
                                      "1.2.3.4 ",
                                      "a.b.c.d",
                                      ":",
                                      ":::",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1::2::3",
                                      "12345::",
                                      "::g",
                                      "1.2.3.4::",
                                      "::1.2.3",
                                      "[::1",
                                      "::1]",
                                      ":1:2:3:4:5:6:7:8",
                                      "1:2:3:4:5:6:7:8:",
                                      "1:2:3:4:5:6:7::8",
                                      "fe80::1%eth0x",
                                      "::1%",
                                      "IPv6:1.2.3.4",
                                      "1:2:3:4:5:6:7:1.2.3.4"};
    struct pp_address address = {.family = 4, .ip = {192, 0, 2, 1}, .port = 25};
    char out[80];
    struct pp_writer w;
    (void)state;
    check_address("192.0.2.1", "192.0.2.1");
    check_address("[192.0.2.255]", "192.0.2.255");
    check_address("0.0.0.0", "0.0.0.0");
    check_address("::", "::");
    check_address("::1", "::1");
    check_address("1::", "1::");
    check_address("[2001:DB8:0:0:0:0:0:1]", "2001:db8::1");
    check_address("[IPv6:2001:db8::25]", "2001:db8::25");
    check_address("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
    check_address("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
    check_address("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
    check_address("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8");
    check_address("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::");
    check_address("0:0:3:4:5:6:7:8", "::3:4:5:6:7:8");
    check_address("::ffff:192.0.2.1", "::ffff:192.0.2.1");
    check_address("64:ff9b::192.0.2.33", "64:ff9b::c000:221");
    check_address("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304");
    check_address("fe80::1%3", "fe80::1%3");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (pp_address_parse(pp_text_z(bad[i]), &address))
            fail_msg("read: %s", bad[i]);
        assert_int_equal(address.family, 0);
    }
    address = (struct pp_address){.family = 4, .ip = {192, 0, 2, 1}, .port = 25};
    pp_writer_init(&w, out, sizeof out);
    pp_put_address(&w, &address, true);
    assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z("192.0.2.1:25")));
    address = (struct pp_address){.family = 6, .ip = {[15] = 1}, .port = 25};
    pp_writer_init(&w, out, sizeof out);
    pp_put_address(&w, &address, true);
    assert_true(pp_text_equal(pp_writer_text(&w), pp_text_z("[::1]:25")));
    assert_true(pp_dns_is_localhost("localhost") && pp_dns_is_localhost("LOCALHOST."));
    assert_true(pp_dns_is_localhost("mail.localhost"));
    assert_false(pp_dns_is_localhost("notlocalhost") || pp_dns_is_localhost("localhost.example"));
    assert_false(pp_dns_is_localhost(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_aliases),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_services),
        cmocka_unit_test(test_tlsa),      cmocka_unit_test(test_facts),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
