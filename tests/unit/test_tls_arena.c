/*
 * test_tls_arena.c - the memory of a handshake, for each kind of certificate, version and level
 *
 * Fails where the peak comes nearer to PP_TLS_ARENA_BYTES than the margin that the profile states.
 * With --print (make tls-memory) it says all that it measured.
 */
#include "tls_client.h"

#include "wire/tls_kept.h"

static const char *const kinds[] = {"rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521"};
#define KINDS  (sizeof kinds / sizeof *kinds)
#define CHAINS 4

enum manner { MANNER_ENCRYPT, MANNER_FINGERPRINT, MANNER_SECURE, MANNER_DANE, MANNERS };
static const char *const manner_names[] = {"encrypt", "fingerprint", "secure", "dane"};

static bool prints;
static uint32_t highest;

static int make_arena_certs(void)
{
    char command[1024], source[] = __FILE__;
    *strrchr(source, '/') = '\0';
    snprintf(cert_dir, sizeof cert_dir, "/tmp/pinpost-arena-XXXXXX");
    if (mkdtemp(cert_dir) == NULL)
        return -1;
    snprintf(command, sizeof command, "timeout 120 sh '%s/make_arena_certs.sh' '%s' >'%s/log' 2>&1",
             source, cert_dir, cert_dir);
    return system(command);
}

static int begin(void **state)
{
    (void)state;
    pp_tls_give_memory(&tls, &tls_memory, sizeof tls_memory);
    if (make_arena_certs() != 0 || pp_crypto_seed(test_entropy, NULL) != PP_OK ||
        pp_tls_library_init(wall_s, now_ms, NULL) != PP_OK)
        return -1;
    wall = (int64_t)time(NULL);
    load_cas("roots.pem", KINDS);
    return 0;
}

static int finish(void **state)
{
    char command[512];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", cert_dir);
    return system(command);
}

static struct pp_tls_kept_session kept;
static struct pp_tlsa_set tlsa;

static struct pp_tls_policy policy_for(enum manner manner)
{
    static const enum pp_tls_level levels[] = {PP_TLS_ENCRYPT, PP_TLS_FINGERPRINT, PP_TLS_SECURE,
                                               PP_TLS_DANE_ONLY};
    struct pp_tls_policy policy = {.level = levels[manner]};
    if (manner == MANNER_FINGERPRINT) {
        policy.pin_count = 1;
        policy.pins[0].kind = PP_PIN_KEY;
        memcpy(policy.pins[0].value, tls.facts.key_sha256, 32);
    }
    if (manner == MANNER_DANE) {
        tlsa = (struct pp_tlsa_set){.state = PP_TLSA_SECURE, .count = 1};
        tlsa.records[0] =
            (struct pp_tlsa_record){.usage = 3, .selector = 1, .matching = 1, .len = 32};
        memcpy(tlsa.records[0].data, tls.facts.key_sha256, 32);
    }
    return policy;
}

/* Handshake, a word, and with it the ticket of TLS 1.3. The facts are those of the connection. */
static uint32_t measure(const char *server, mbedtls_ssl_protocol_version version,
                        enum manner manner)
{
    const struct pp_tls_policy policy = policy_for(manner);
    const struct pp_tls_target target = {.policy = &policy,
                                         .host_z = "mail.example.org",
                                         .tlsa = manner == MANNER_DANE ? &tlsa : NULL,
                                         .kept = &kept};
    uint8_t out[16];
    tls.arena.high_bytes = 0;
    peer_start(&peer, server, version);
    assert_int_equal(pp_tls_open(&tls, &target, &io), PP_OK);
    if (shake() != PP_OK)
        fail_msg("%s %s: %s", server, manner_names[manner], tls.facts.failure);
    assert_int_equal(peer_write(&peer, "220 hi\r\n", 8), 8);
    for (int i = 0, n = 0; i < 50 && n == 0; i++)
        n = pp_tls_read(&tls, out, sizeof out);
    close_both();
    return tls.arena.high_bytes;
}

static void test_each_fits_with_the_margin(void **state)
{
    (void)state;
    if (prints)
        printf("%-12s%-8s%12s%12s%12s%12s   bytes at the peak\n", "certificates", " TLS",
               manner_names[0], manner_names[1], manner_names[2], manner_names[3]);
    for (size_t k = 0; k < KINDS; k++) {
        for (int chain = 1; chain <= CHAINS; chain++) {
            for (int v = 2; v <= 3; v++) {
                char name[32];
                snprintf(name, sizeof name, "%s-%d", kinds[k], chain);
                if (prints)
                    printf("%-12s 1.%d    ", name, v);
                for (enum manner m = 0; m < MANNERS; m++) {
                    uint32_t bytes = measure(name, v == 2 ? V12 : V13, m);
                    highest = bytes > highest ? bytes : highest;
                    if (prints)
                        printf("%12u", (unsigned)bytes);
                }
                if (prints)
                    printf("\n");
            }
        }
    }
    if (prints)
        printf("\nhighest %u, PP_TLS_ARENA_BYTES %u, left %u, margin asked for %u\n",
               (unsigned)highest, (unsigned)PP_TLS_ARENA_BYTES,
               (unsigned)(PP_TLS_ARENA_BYTES - highest), (unsigned)PP_TLS_ARENA_MARGIN_BYTES);
    assert_true(highest + PP_TLS_ARENA_MARGIN_BYTES <= PP_TLS_ARENA_BYTES);
}

/* The same with less memory, down to where it ends: an error with a word, nothing left behind. */
static void test_too_little_says_what_to_raise(void **state)
{
    const struct pp_tls_policy policy = {.level = PP_TLS_SECURE};
    int dry = 0;
    (void)state;
    for (size_t less = 0; less < PP_TLS_ARENA_BYTES - 4096; less += 2048) {
        for (int v = 0; v < 2; v++) {
            const struct pp_tls_target target = {.policy = &policy, .host_z = "mail.example.org"};
            pp_tls_give_memory(&tls, &tls_memory, sizeof tls_memory - less);
            peer_start(&peer, "rsa4096-4", v == 0 ? V12 : V13);
            enum pp_err err = pp_tls_open(&tls, &target, &io);
            if (err == PP_OK)
                err = shake();
            close_both();
            if (err == PP_OK)
                continue;
            assert_int_equal(err, PP_ERR_DRY);
            assert_words("PP_TLS_ARENA_BYTES");
            assert_words("raise");
            dry++;
        }
    }
    assert_true(dry > 10);
    pp_tls_give_memory(&tls, &tls_memory, sizeof tls_memory);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_each_fits_with_the_margin, clean),
        cmocka_unit_test_teardown(test_too_little_says_what_to_raise, clean),
    };
    prints = argc > 1 && strcmp(argv[1], "--print") == 0;
    return cmocka_run_group_tests(tests, begin, finish);
}
