/* What a battery gives while a model runs, where the system tells (Linux's power_supply class: microamperes and microvolts). Included
 * by runner.c alone. Gauges tell a mean of their own every second or so, so a reading is not that of one run. */
#ifndef PIXSEARCH_POWER_H
#define PIXSEARCH_POWER_H

enum { READINGS = 4096, PAUSE_MS = 100 };

static const char *battery; /* its folder; none without the setting */
static double watts[READINGS];
static int n_watts;
static double read_at_ms;

static FILE *battery_file(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", battery, name);
    return fopen(path, "r");
}

static int battery_number(const char *name, double *value) {
    FILE *file = battery_file(name);
    int read = file && fscanf(file, "%lf", value) == 1;
    if (file) fclose(file);
    return read;
}

/* Take one reading, unless the last is fresh. Systems differ in the sign of a current that flows out. */
static void read_power(double now) {
    double current, voltage;
    if (!battery || n_watts == READINGS || (n_watts && now - read_at_ms < PAUSE_MS)) return;
    if (!battery_number("current_now", &current) || !battery_number("voltage_now", &voltage)) return;
    watts[n_watts++] = (current < 0 ? -current : current) * voltage / 1e12;
    read_at_ms = now;
}

/* The battery's own word for what it does, such as Discharging; empty where it has none. */
static void battery_status(char *status, size_t size) {
    FILE *file = battery ? battery_file("status") : NULL;
    status[0] = 0;
    if (file && fgets(status, size, file)) status[strcspn(status, "\n")] = 0;
    if (file) fclose(file);
}

#endif
