/*
 * no_prefix.c - a global name that is not ours (expect: names)
 */
int queue_count;
