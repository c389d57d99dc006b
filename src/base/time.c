/*
 * time.c - instants and dates
 *
 * Job:      civil dates from seconds, and words for dates and spans.
 * Not here: time zones: all is UTC.
 * Follows:  RFC 5322 3.3, RFC 3339; the day count is that of H. Hinnant, "chrono-Compatible
 *           Low-Level Date Algorithms" (eras of 400 years that begin in March)
 */
#include "base/time.h"

#define LAST_WALL_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DAY_S       86400

pp_time_ms pp_time_add(pp_time_ms at_ms, uint64_t span_ms)
{
    return span_ms > PP_TIME_NEVER - at_ms ? PP_TIME_NEVER : at_ms + span_ms;
}

pp_time_ms pp_time_min(pp_time_ms a, pp_time_ms b)
{
    return a < b ? a : b;
}

struct pp_date pp_date_from_wall(int64_t wall_s)
{
    struct pp_date date;
    uint64_t wall = wall_s < 0 ? 0 : (uint64_t)wall_s;
    if (wall_s > LAST_WALL_S)
        wall = (uint64_t)LAST_WALL_S;
    uint32_t days = (uint32_t)(wall / DAY_S);
    uint32_t second = (uint32_t)(wall % DAY_S);
    uint32_t since_era = days + 719468; /* from 0000-03-01 */
    uint32_t era = since_era / 146097;
    uint32_t day_of_era = since_era % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    uint32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

    date.year = (int32_t)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
    date.month = (uint8_t)month;
    date.day = (uint8_t)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    date.hour = (uint8_t)(second / 3600);
    date.minute = (uint8_t)(second / 60 % 60);
    date.second = (uint8_t)(second % 60);
    date.weekday = (uint8_t)((days + 4) % 7); /* 1970-01-01 was a Thursday */
    return date;
}

int64_t pp_date_to_wall(const struct pp_date *date)
{
    if (date->year < 1970)
        return 0;
    if (date->year > 9999)
        return LAST_WALL_S;
    uint32_t year = (uint32_t)date->year - (date->month <= 2 ? 1 : 0);
    uint32_t month_from_march = (date->month + 9u) % 12;
    uint32_t year_of_era = year % 400;
    uint32_t day_of_year = (153 * month_from_march + 2) / 5 + date->day - 1u;
    uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = (int64_t)(year / 400) * 146097 + day_of_era - 719468;
    return days * DAY_S + date->hour * 3600 + date->minute * 60 + date->second;
}

static void put_clock(struct pp_writer *w, const struct pp_date *date)
{
    pp_put_u64_pad(w, date->hour, 2);
    pp_put_char(w, ':');
    pp_put_u64_pad(w, date->minute, 2);
    pp_put_char(w, ':');
    pp_put_u64_pad(w, date->second, 2);
}

void pp_put_date_rfc5322(struct pp_writer *w, int64_t wall_s)
{
    static const char weekdays[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct pp_date date = pp_date_from_wall(wall_s);
    pp_put(w, weekdays + (size_t)3 * date.weekday, 3);
    pp_put_z(w, ", ");
    pp_put_u64(w, date.day);
    pp_put_char(w, ' ');
    pp_put(w, months + (size_t)3 * (date.month - 1u), 3);
    pp_put_char(w, ' ');
    pp_put_u64_pad(w, (uint64_t)date.year, 4);
    pp_put_char(w, ' ');
    put_clock(w, &date);
    pp_put_z(w, " +0000");
}

void pp_put_date_iso(struct pp_writer *w, int64_t wall_s)
{
    struct pp_date date = pp_date_from_wall(wall_s);
    pp_put_u64_pad(w, (uint64_t)date.year, 4);
    pp_put_char(w, '-');
    pp_put_u64_pad(w, date.month, 2);
    pp_put_char(w, '-');
    pp_put_u64_pad(w, date.day, 2);
    pp_put_char(w, 'T');
    put_clock(w, &date);
    pp_put_char(w, 'Z');
}

struct unit {
    uint32_t ms;
    const char *one_z;
    const char *many_z;
};

void pp_put_span(struct pp_writer *w, uint64_t span_ms)
{
    static const struct unit units[] = {{86400000, " day", " days"},
                                        {3600000, " h", " h"},
                                        {60000, " min", " min"},
                                        {1000, " s", " s"},
                                        {1, " ms", " ms"}};
    unsigned shown = 0;
    for (unsigned i = 0; i < 5 && shown < 2; i++) {
        uint64_t n = span_ms / units[i].ms;
        span_ms %= units[i].ms;
        /* Two neighbouring units say enough: not "5 days 3 s", nor "2 s 31 ms". */
        if (shown == 1 && (n == 0 || i == 4))
            return;
        if (n == 0)
            continue;
        if (shown == 1)
            pp_put_char(w, ' ');
        pp_put_u64(w, n);
        pp_put_z(w, n == 1 ? units[i].one_z : units[i].many_z);
        shown++;
    }
    if (shown == 0)
        pp_put_z(w, "0 s");
}
