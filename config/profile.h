/*
 * profile.h - which sizes this build has
 *
 * A build names its own with -DPP_PROFILE='"profile_my_board.h"'; without, the PC's.
 */
#ifndef PP_PROFILE_H
#define PP_PROFILE_H

#ifdef PP_PROFILE
#include PP_PROFILE
#else
#include "profile_host.h"
#endif
#include "profile_check.h"

/*
 * It is not earlier than this (seconds since 1970, UTC; here 2026-01-01): what a machine without a
 * clock takes for now when it looks at a certificate's dates. A release build may state its own.
 */
#ifndef PP_WALL_FLOOR_S
#define PP_WALL_FLOOR_S 1767225600
#endif

#endif
