/* test_crc32c.c - the vectors of RFC 3720 B.4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"

static void gives_the_vectors(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof(bytes));
    assert_true(pp_crc32c(0, bytes, 32) == 0x8A9136AA);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_true(pp_crc32c(0, bytes, 32) == 0x62A8AB43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_true(pp_crc32c(0, bytes, 32) == 0x46DD794E);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_true(pp_crc32c(0, bytes, 32) == 0x113FDB5C);
    assert_true(pp_crc32c(0, "123456789", 9) == 0xE3069283);
    assert_true(pp_crc32c(0, "", 0) == 0);
}

static void goes_on_where_it_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i <= 9; i++)
        assert_true(pp_crc32c(pp_crc32c(0, "123456789", i), &"123456789"[i], 9 - i) == 0xE3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_vectors),
        cmocka_unit_test(goes_on_where_it_ended),
    };
    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
