/* test_buf.c - bytes waiting between two machines, stored numbers, wiping */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"

static void is_first_in_first_out(void **state)
{
    (void)state;
    uint8_t storage[8];
    struct pp_buf b;
    pp_buf_init(&b, storage, sizeof(storage));
    assert_true(pp_buf_put(&b, "abcdef", 6));
    assert_false(pp_buf_put(&b, "ghi", 3)); /* all or nothing */
    assert_int_equal(pp_buf_len(&b), 6);
    assert_int_equal(pp_buf_room(&b), 2);
    pp_buf_consume(&b, 4);
    assert_int_equal(pp_buf_room(&b), 6);
    assert_true(pp_buf_put(&b, "ghijkl", 6)); /* room at the front is won back */
    assert_int_equal(pp_buf_len(&b), 8);
    assert_memory_equal(pp_buf_head(&b), "efghijkl", 8);
    pp_buf_consume(&b, 8);
    assert_int_equal(pp_buf_len(&b), 0);
    assert_int_equal(b.head, 0);
    assert_true(pp_buf_put(&b, NULL, 0));
}

static void reserves_in_one_piece(void **state)
{
    (void)state;
    uint8_t storage[8];
    struct pp_buf b;
    size_t room;
    pp_buf_init(&b, storage, sizeof(storage));
    assert_true(pp_buf_put(&b, "abcdefgh", 8));
    (void)pp_buf_reserve(&b, &room);
    assert_int_equal(room, 0);
    pp_buf_consume(&b, 3);
    uint8_t *end = pp_buf_reserve(&b, &room);
    assert_int_equal(room, 3);
    memcpy(end, "ij", 2);
    pp_buf_commit(&b, 2);
    assert_memory_equal(pp_buf_head(&b), "defghij", 7);
    pp_buf_wipe(&b);
    assert_int_equal(pp_buf_len(&b), 0);
    for (size_t i = 0; i < sizeof(storage); i++)
        assert_int_equal(storage[i], 0);
}

static void stores_numbers(void **state)
{
    (void)state;
    uint8_t p[9] = {0};
    pp_le64_put(p + 1, UINT64_C(0x0102030405060708));
    assert_memory_equal(p + 1, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_true(pp_le64_get(p + 1) == UINT64_C(0x0102030405060708));
    assert_int_equal(pp_le32_get(p + 1), 0x05060708);
    assert_int_equal(pp_le16_get(p + 1), 0x0708);
    assert_int_equal(pp_be16_get(p + 1), 0x0807);
    assert_true(pp_be32_get(p + 1) == 0x08070605);
    pp_be16_put(p, 0xFFFE);
    assert_memory_equal(p, "\xFF\xFE", 2);
    pp_le32_put(p, UINT32_MAX);
    assert_true(pp_le32_get(p) == UINT32_MAX);
}

static void compares_and_wipes(void **state)
{
    (void)state;
    char secret[] = "secret";
    assert_int_equal(pp_compare_constant_time("abc", "abc", 3), 0);
    assert_int_not_equal(pp_compare_constant_time("abc", "abd", 3), 0);
    assert_int_not_equal(pp_compare_constant_time("\x80", "\x00", 1), 0);
    assert_int_equal(pp_compare_constant_time("a", "b", 0), 0);
    pp_wipe(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++)
        assert_int_equal(secret[i], 0);
    pp_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_first_in_first_out),
        cmocka_unit_test(reserves_in_one_piece),
        cmocka_unit_test(stores_numbers),
        cmocka_unit_test(compares_and_wipes),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
