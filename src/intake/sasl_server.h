/*
 * sasl_server.h - a client's login: one exchange, a machine without I/O
 *
 * Job:      PLAIN, LOGIN and SCRAM-SHA-256 from their first response to a verdict, against the
 *           salted verifiers of the configuration; making such a verifier.
 * Not here: the dialogue around it (intake/smtp_server.h), waits and lockouts (intake/access.h),
 *           a backend that decides in our place (port.h, login_begin).
 * Follows:  RFC 4954 4, 4616 (PLAIN), draft-murchison-sasl-login (LOGIN: the prompts are exactly
 *           VXNlcm5hbWU6 and UGFzc3dvcmQ6), 5802 and 7677 (SCRAM-SHA-256 without channel binding)
 *
 * Whether a user is unknown or the password wrong shows neither in words nor in time: a verifier is
 * made up for a name that is unknown, always the same for one name. Comparisons take constant time;
 * passwords are wiped.
 */
#ifndef PP_INTAKE_SASL_SERVER_H
#define PP_INTAKE_SASL_SERVER_H

#include "config.h"

#define PP_SASL_CHALLENGE_CAP 512  /* bytes of base64 */
#define PP_SASL_RESPONSE_CAP  2048 /* longest response that is taken, bytes of base64 */

enum pp_sasl_mechanism { PP_SASL_PLAIN, PP_SASL_LOGIN, PP_SASL_SCRAM_SHA_256, PP_SASL_UNKNOWN };
enum pp_sasl_step {
    PP_SASL_CHALLENGE, /* say it, and hand in what comes in answer */
    PP_SASL_ACCEPTED,
    PP_SASL_REFUSED,  /* wrong name or password */
    PP_SASL_MALFORMED /* not base64, or not what the mechanism says */
};

struct pp_sasl_server {
    const struct pp_config *config;
    enum pp_sasl_mechanism mechanism;
    uint8_t awaits; /* enum in sasl_server.c */
    size_t name_len;
    char name[PP_USER_CAP];
    struct pp_scram_verifier verifier;
    bool known; /* the verifier is a user's */
    char gs2;   /* 'n' or 'y' of SCRAM's first message */
    size_t nonce_len, auth_len;
    char nonce[128];   /* of both sides */
    uint8_t auth[512]; /* AuthMessage so far: client-first-bare , server-first */
};

/* By its name, without regard to case. */
enum pp_sasl_mechanism pp_sasl_mechanism(struct pp_text name);
/*
 * `response` is base64 as sent behind the mechanism, "=" stands for one of no octets; p NULL: none
 * was sent. A challenge is written to `challenge` (PP_SASL_CHALLENGE_CAP) in base64, without CRLF;
 * it may be empty. `config` is read until the end of the exchange.
 */
enum pp_sasl_step pp_sasl_server_begin(struct pp_sasl_server *s, const struct pp_config *config,
                                       enum pp_sasl_mechanism mechanism, struct pp_text response,
                                       struct pp_writer *challenge);
/* A line of the client's, without CRLF. */
enum pp_sasl_step pp_sasl_server_answer(struct pp_sasl_server *s, struct pp_text line,
                                        struct pp_writer *challenge);
/* The name that was tried, as far as it was heard. */
struct pp_text pp_sasl_server_name(const struct pp_sasl_server *s);
void pp_sasl_server_wipe(struct pp_sasl_server *s);

/* Make a verifier with a random salt (RFC 5802 3). The password is taken octet by octet: SASLprep
 * changes nothing in one of printable ASCII. PP_ERR_ENTROPY, PP_ERR_RANGE (iterations). */
PP_MUST_USE enum pp_err pp_scram_verifier_make(struct pp_scram_verifier *verifier,
                                               struct pp_text password, uint32_t iterations);
bool pp_scram_verifier_matches(const struct pp_scram_verifier *verifier, struct pp_text password);

#endif
