/*
 * conditional.c - a build option in the middle of a room (expect: conditionals)
 */
#ifdef PP_SMALL
const int pp_conditional = 1;
#endif
