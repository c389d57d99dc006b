/*
 * takes_heap.c - takes memory from the heap (expect: heap) (expect: libc)
 */
void *malloc(unsigned long bytes);

void *pp_takes_heap(void)
{
    return malloc(16);
}
