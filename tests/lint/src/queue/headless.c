/* expect: heads */
const int pp_headless = 1;
