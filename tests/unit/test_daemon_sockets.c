/*
 * test_daemon_sockets.c - the daemon's sockets and its drop directory, made as root or not
 *
 * Job:      modes are right from the first moment and no name is followed: the run-time directory
 *           belongs to the relay's user, and root must not change what he puts there.
 */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "posix/daemon_sockets.h"
#include "posix/drop.h"

static char place[] = "/tmp/pinpost-sockets-XXXXXX";
static unsigned followed; /* calls that act on whatever a name leads to */

/* In place of the C library's. */
int chmod(const char *path_z, mode_t mode)
{
    (void)path_z;
    (void)mode;
    followed++;
    errno = EPERM;
    return -1;
}

static void path_of(char out[128], const char *name_z)
{
    (void)snprintf(out, 128, "%s/%s", place, name_z);
}

static int make_place(void **state)
{
    (void)state;
    followed = 0;
    (void)strcpy(place, "/tmp/pinpost-sockets-XXXXXX");
    return mkdtemp(place) == NULL ? -1 : 0;
}

static int remove_place(void **state)
{
    static const char *const names[] = {"a.sock", "drop"};
    char path[128];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(path, names[i]);
        (void)remove(path);
    }
    return rmdir(place);
}

static void test_a_socket_has_its_mode_at_once(void **state)
{
    static const mode_t modes[] = {0666, 0660};
    const struct pp_privileges owner = {.uid = geteuid(), .gid = getegid()};
    mode_t before = umask(027);

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct pp_daemon_socket s;
        struct stat st;
        char path[128], words[256] = "";

        path_of(path, "a.sock");
        assert_int_equal(pp_daemon_listen(&s, path, modes[i], &owner, words, sizeof words), PP_OK);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, modes[i]);
        pp_daemon_unlisten(&s);
    }
    assert_int_equal(umask(before), 027);
    assert_int_equal(followed, 0);
}

/* Another group than ours, where root may choose any and others one of their own. */
static gid_t other_group(void)
{
    gid_t groups[256];
    int count = getgroups(256, groups);

    for (int i = 0; i < count; i++) {
        if (groups[i] != getegid())
            return groups[i];
    }
    return geteuid() == 0 ? 65534 : getegid();
}

static void test_a_new_group_may_read_what_is_dropped(void **state)
{
    struct pp_privileges owner = {.uid = geteuid(), .gid = getegid()};
    struct stat st;
    char path[128], words[256] = "";

    (void)state;
    path_of(path, "drop");
    assert_int_equal(pp_daemon_drop_directory(path, &owner, words, sizeof words), PP_OK);
    owner.gid = other_group();
    assert_int_equal(pp_daemon_drop_directory(path, &owner, words, sizeof words), PP_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_gid, owner.gid);
    assert_int_equal(st.st_mode & 07777, PP_DROP_DIRECTORY_MODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_socket_has_its_mode_at_once, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(test_a_new_group_may_read_what_is_dropped, make_place,
                                        remove_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
