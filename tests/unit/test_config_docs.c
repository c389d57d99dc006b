/*
 * test_config_docs.c - docs/pinpost.conf.md says of every key what the table of keys says
 *
 * With the argument --print it writes the tables of that page to stdout, to be pasted there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config_keys.h"
#include <cmocka.h>

#define PAGE "docs/pinpost.conf.md"

static char page[65536];

static void row_of(const struct pp_config_key *key, char *out, size_t cap)
{
    struct pp_writer w;
    pp_writer_init(&w, out, cap - 1);
    pp_put_z(&w, "| `");
    pp_put_z(&w, key->name_z);
    pp_put_z(&w, "` | ");
    pp_config_put_allowed(&w, key);
    pp_put_z(&w, " | ");
    pp_config_put_default(&w, key);
    pp_put_z(&w, " | ");
    pp_put_z(&w, key->help_z);
    pp_put_z(&w, " |\n");
    assert_false(w.overflow);
    out[w.len] = '\0';
}

static void test_every_key_has_its_row(void **state)
{
    (void)state;
    FILE *file = fopen(PAGE, "r");
    if (!file)
        fail_msg("%s: cannot be opened; run from the root of the tree", PAGE);
    size_t len = fread(page, 1, sizeof page - 1, file);
    fclose(file);
    page[len] = '\0';
    const char *from = page;
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        char row[1024], title[64];
        row_of(pp_config_key(i), row, sizeof row);
        const char *at = strstr(from, row);
        if (!at)
            fail_msg("%s has no row, or has it too early:\n%s", PAGE, row);
        snprintf(title, sizeof title, "## [%s]", pp_config_key(i)->section_z);
        const char *heading = strstr(page, title);
        assert_non_null(heading);
        assert_true(heading < at);
        from = at + 1;
    }
}

static int print(void)
{
    const char *section = "";
    for (uint32_t i = 0; i < pp_config_key_count(); i++) {
        char row[1024];
        if (strcmp(section, pp_config_key(i)->section_z) != 0) {
            section = pp_config_key(i)->section_z;
            printf("\n## [%s]\n\n| key | allowed | default | what it does |\n|---|---|---|---|\n",
                   section);
        }
        row_of(pp_config_key(i), row, sizeof row);
        fputs(row, stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print") == 0)
        return print();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_key_has_its_row)};
    return cmocka_run_group_tests_name("config_docs", tests, NULL, NULL);
}
