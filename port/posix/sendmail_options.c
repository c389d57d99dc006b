/*
 * sendmail_options.c - the command line of sendmail(8), as cron, smartd, mdadm and mailx use it
 *
 * Job:      one letter after the other, alone or several behind one dash; recipients may stand
 *           before, between and behind options.
 */
#include "sendmail_options.h"

#include <string.h>

/* Letters that take an argument, behind them or as the next word. */
static const char with_argument[] = "ABCFLNORVXbfhopre";
/* An argument only when it stands behind the letter. */
static const char with_attached[] = "qdD";
/* On their own, without a meaning here: verbose, gateway, metoo, no aliases, ... */
static const char without_meaning[] = "GUcmnvx";

static enum pp_err fail(struct pp_sendmail_options *o, enum pp_err err, const char *a_z,
                        struct pp_text b, const char *c_z)
{
    struct pp_writer w;

    pp_writer_init(&w, o->error, sizeof(o->error) - 1);
    pp_put_z(&w, a_z);
    pp_put_safe(&w, b, 80);
    pp_put_z(&w, c_z);
    o->error[w.len] = '\0';
    return err;
}

static enum pp_err set_mode(struct pp_sendmail_options *o, char mode)
{
    switch (mode) {
    case 'm':
        o->mode = PP_SENDMAIL_SEND;
        return PP_OK;
    case 'p':
        o->mode = PP_SENDMAIL_LIST;
        return PP_OK;
    default:
        return fail(o, PP_ERR_UNSUPPORTED, "-b", pp_text_n(&mode, 1),
                    " is not supported: pinpost knows -bm and -bp; the daemon is `pinpost run`");
    }
}

static enum pp_err set(struct pp_sendmail_options *o, char letter, const char *argument_z)
{
    switch (letter) {
    case 'C':
        o->config_path_z = argument_z;
        break;
    case 'F':
        o->sender_name_z = argument_z;
        break;
    case 'b':
        return set_mode(o, argument_z[0]);
    case 'f':
    case 'r':
        o->sender_z = argument_z;
        break;
    case 'i':
        o->dots_are_text = true;
        break;
    case 'o':
        o->dots_are_text |= strcmp(argument_z, "i") == 0;
        break;
    case 'q':
        o->mode = PP_SENDMAIL_FLUSH;
        break;
    case 't':
        o->from_header = true;
        break;
    default:
        break;
    }
    return PP_OK;
}

static bool is_in(const char *letters_z, char letter)
{
    return letter != '\0' && strchr(letters_z, letter) != NULL;
}

/* One word that begins with a dash; *at moves on when the next word is its argument. */
static enum pp_err read_word(struct pp_sendmail_options *o, int argc, char **argv, int *at)
{
    const char *word = argv[*at];

    for (const char *p = word + 1; *p != '\0'; p++) {
        enum pp_err err;
        if (is_in(with_argument, *p)) {
            const char *argument = p + 1;
            if (*argument == '\0') {
                if (*at + 1 >= argc) {
                    return fail(o, PP_ERR_SYNTAX, "option -", pp_text_n(p, 1),
                                " wants an argument");
                }
                argument = argv[++*at];
            }
            return set(o, *p, argument);
        }
        if (is_in(with_attached, *p)) {
            return set(o, *p, p + 1);
        }
        if (!is_in(without_meaning, *p) && *p != 'i' && *p != 't') {
            return fail(o, PP_ERR_SYNTAX, "unknown option ", pp_text_z(word), "");
        }
        err = set(o, *p, "");
        if (err != PP_OK) {
            return err;
        }
    }
    return PP_OK;
}

static enum pp_err add(struct pp_sendmail_options *o, struct pp_recipients *recipients,
                       const char *word_z)
{
    struct pp_text bad;
    enum pp_err err = pp_recipients_add(recipients, pp_text_z(word_z), &bad);

    if (err == PP_OK) {
        return PP_OK;
    }
    o->address_wrong = true;
    return err == PP_ERR_TOO_BIG ? fail(o, err, "too many recipients", pp_text_z(""), "")
                                 : fail(o, err, "not an address: ", bad, "");
}

enum pp_err pp_sendmail_options_read(struct pp_sendmail_options *options,
                                     struct pp_recipients *recipients, int argc, char **argv)
{
    bool options_ended = false;

    memset(options, 0, sizeof(*options));
    for (int i = 1; i < argc; i++) {
        enum pp_err err;
        if (!options_ended && strcmp(argv[i], "--") == 0) {
            options_ended = true;
            continue;
        }
        err = !options_ended && argv[i][0] == '-' && argv[i][1] != '\0'
                  ? read_word(options, argc, argv, &i)
                  : add(options, recipients, argv[i]);
        if (err != PP_OK) {
            return err;
        }
    }
    return PP_OK;
}
