# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The loops over rows of the preprocessing, compiled; see kernels.pyi for what each takes and gives.

Only arithmetic is here: which rows belong together, and what is done with what is found, stands in the
modules that call. Sums are taken in the order of the rows, without fused operations, so that every machine
finds the same.
"""

from cpython.buffer cimport PyBUF_RECORDS_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport INFINITY, NAN, fabs, floor, isnan, log, nextafter
from libc.stdint cimport int8_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcpy, memmove, memset

import numpy as np

cdef enum:
    HJD, FLUX, FLUX_ERR, SKY, FWHM, AIRMASS, PSF, N_COLUMNS
cdef enum:
    FIT_LINE = 7, ONE, HAS_SKY, HAS_FWHM, HAS_PSF, N_FEATURES
cdef enum:
    NOT_FINITE = 1, BAD_FLUX_ERR, BAD_PSF_QUALITY, BAD_FWHM
cdef enum:
    N_BUCKETS = 256, FEW = 48

cdef double HUGE = 1e30  # beyond any measurement: such values count as infinite, so that squares stay finite
cdef double TINY = 1e-30  # errors below count as zero, so that weights stay finite
cdef double PSF_QUALITY_MAX = 100.0
cdef double SIGMA_PER_MAD = 1.4826
cdef double SIGMA_PER_IQR = 1.0 / 1.349
cdef double MIN_SPREAD = 0.05  # so that nothing is judged by rounding
cdef double BRIGHT = 3.0
cdef double MAX_STANDARDISED = 100.0


# --- rows -------------------------------------------------------------------------------------------------------------
def stack(list parts):
    cdef Py_ssize_t total = sum([len(part[0]) for part in parts]), start = 0, n
    columns = np.empty((<int>N_COLUMNS, total))
    cdef double[:, ::1] out = columns
    if not total:
        return columns
    for part in parts:
        n = len(part[0])
        if n:
            for c in range(N_COLUMNS):
                _fill(part[c], &out[c, start], n, INFINITY if c == HJD else nextafter(HUGE, 0.0))
        start += n
    return columns


cdef int _fill(values, double* out, Py_ssize_t n, double most) except -1:
    """Copy a column of floats; values beyond become NaN and -0.0 becomes 0.0, so that equal rows are equal."""
    cdef Py_ssize_t i
    cdef Py_buffer view
    cdef float single
    cdef double value
    if values is None:
        for i in range(n):
            out[i] = NAN
        return 0
    if values.dtype.str not in ("<f4", "<f8") or not values.flags.c_contiguous:
        values = np.ascontiguousarray(values, dtype=np.float64)
    PyObject_GetBuffer(values, &view, PyBUF_RECORDS_RO)
    cdef const char* at = <const char*>view.buf
    if view.len != n * view.itemsize:
        PyBuffer_Release(&view)
        raise ValueError(f"a column has {len(values)} values, expected {n}")
    if view.itemsize == 4:
        for i in range(n):  # perhaps not aligned
            memcpy(&single, at + 4 * i, 4)
            value = single
            out[i] = value + 0.0 if -most <= value <= most else NAN
    else:
        for i in range(n):
            memcpy(&value, at + 8 * i, 8)
            out[i] = value + 0.0 if -most <= value <= most else NAN
    PyBuffer_Release(&view)
    return 0


def judge(double[:, ::1] columns):
    cdef Py_ssize_t i, n = columns.shape[1]
    rules = np.zeros(n, dtype=np.int8)
    cdef int8_t[::1] rule = rules
    for i in range(n):
        if not -HUGE < columns[HJD, i] < HUGE:
            columns[HJD, i] = NAN
        if isnan(columns[HJD, i]) or isnan(columns[FLUX, i]) or isnan(columns[FLUX_ERR, i]):
            rule[i] = NOT_FINITE
        elif columns[FLUX_ERR, i] < TINY:
            rule[i] = BAD_FLUX_ERR
        elif columns[PSF, i] < 0.0 or columns[PSF, i] > PSF_QUALITY_MAX:  # false if not measured
            rule[i] = BAD_PSF_QUALITY
        elif columns[FWHM, i] < 0.0:
            rule[i] = BAD_FWHM
    return rules


def ascending(const double[:, ::1] columns, bounds):
    cdef Py_ssize_t i, start, stop
    for segment in range(len(bounds) - 1):
        start, stop = bounds[segment], bounds[segment + 1]
        for i in range(start + 1, stop):
            if not columns[HJD, i - 1] < columns[HJD, i]:
                return False
    return True


def select(const double[:, ::1] columns, const uint8_t[::1] keep, bounds):
    new_bounds = _count(keep, bounds)
    kept = np.empty((columns.shape[0], new_bounds[len(new_bounds) - 1]))
    if kept.size:
        _copy_kept(columns, keep, kept)
    return kept, new_bounds


cdef tuple _count(const uint8_t[::1] keep, bounds):
    """Where the segments given by `bounds` lie once only the rows of `keep` are left."""
    cdef Py_ssize_t i = bounds[0], n = 0, stop
    new_bounds = []
    for stop in bounds:
        while i < stop:
            n += keep[i] != 0
            i += 1
        new_bounds.append(n)
    return tuple(new_bounds)


cdef void _copy_kept(const double[:, ::1] columns, const uint8_t[::1] keep, double[:, ::1] out) noexcept nogil:
    """Copy the rows to keep, a run of neighbours at a time."""
    cdef Py_ssize_t c, start, stop = 0, to = 0, n = keep.shape[0]
    while stop < n:
        start = stop
        while start < n and not keep[start]:
            start += 1
        stop = start
        while stop < n and keep[stop]:
            stop += 1
        if stop > start:
            for c in range(columns.shape[0]):
                memcpy(&out[c, to], &columns[c, start], (stop - start) * sizeof(double))
            to += stop - start


def count_rules(const int8_t[::1] rule, bounds, Py_ssize_t n_rules):
    cdef Py_ssize_t i, start = bounds[0], stop
    counts = []
    for stop in bounds[1:]:
        mine = [0] * n_rules
        for i in range(start, stop):
            if rule[i]:
                mine[rule[i] - 1] += 1
        counts.append(mine)
        start = stop
    return counts


def count_missing(const double[:, :] columns, const int64_t[::1] source, Py_ssize_t n_datasets):
    cdef Py_ssize_t c, i
    counts = np.zeros((n_datasets, N_COLUMNS - SKY), dtype=np.int64)
    if not n_datasets:
        return counts
    cdef int64_t[:, ::1] count = counts
    for c in range(SKY, N_COLUMNS):
        for i in range(columns.shape[1]):
            if isnan(columns[c, i]):
                count[source[i], c - SKY] += 1
    return counts


# --- overlapping fields -----------------------------------------------------------------------------------------------
def interleave(
    const double[:, :] columns, const int64_t[::1] source, const double[:, :] other, int64_t its_source, double offset
):
    cdef Py_ssize_t i = 0, j = 0, n = 0, c, n_one = columns.shape[1], n_other = other.shape[1]
    both, sources = np.empty((<int>N_COLUMNS, n_one + n_other)), np.empty(n_one + n_other, dtype=np.int64)
    cdef double[:, ::1] out = both
    cdef int64_t[::1] out_source = sources
    while i < n_one or j < n_other:
        if j == n_other or (i < n_one and columns[HJD, i] <= other[HJD, j]):
            if j < n_other and columns[HJD, i] == other[HJD, j]:
                j += 1
            for c in range(N_COLUMNS):
                out[c, n] = columns[c, i]
            out_source[n] = source[i]
            i += 1
        else:
            for c in range(N_COLUMNS):
                out[c, n] = other[c, j]
            out[FLUX, n] += offset
            out_source[n] = its_source
            j += 1
        n += 1
    return both[:, :n], sources[:n]


def night_offset(const double[:, :] one, const double[:, :] other, double longitude):
    cdef Py_ssize_t i = 0, j = 0, n = 0
    cdef double night, its_night, mean, its_mean, found
    cdef double* room = <double*>_allocate(4 * min(one.shape[1], other.shape[1]))
    while i < one.shape[1] and j < other.shape[1]:
        night, its_night = _night(one, i, longitude), _night(other, j, longitude)
        if night < its_night:
            i += 1
        elif its_night < night:
            j += 1
        else:
            mean = _nightly_mean(one, &i, night, longitude)
            its_mean = _nightly_mean(other, &j, night, longitude)
            room[n] = mean - its_mean
            n += 1
    found = _median(room, n, room + n) if n else NAN
    free(room)
    return n, found


cdef double _night(const double[:, :] columns, Py_ssize_t i, double longitude) noexcept nogil:
    """Night of a row, noon to noon in local mean time: a JD begins at noon in Greenwich."""
    return floor(columns[HJD, i] + longitude / 360.0)


cdef double _nightly_mean(const double[:, :] columns, Py_ssize_t* i, double night, double longitude) noexcept nogil:
    """Inverse-variance mean flux of a night, whose first row is i; i moves past it."""
    cdef double weight, total = 0.0, flux = 0.0
    while i[0] < columns.shape[1] and _night(columns, i[0], longitude) == night:
        weight = 1.0 / (columns[FLUX_ERR, i[0]] * columns[FLUX_ERR, i[0]])
        total += weight
        flux += weight * columns[FLUX, i[0]]
        i[0] += 1
    return flux / total


# --- order statistics -------------------------------------------------------------------------------------------------
cdef double _select(double* values, Py_ssize_t n, Py_ssize_t rank) noexcept nogil:
    """Value of a rank, 0 <= rank < n, no NaN; the values are left in another order."""
    cdef Py_ssize_t i, below, upto
    cdef double pivot, value, a, b, c
    while n > 16:
        a, b, c = values[0], values[n // 2], values[n - 1]
        pivot = max(min(a, b), min(max(a, b), c))
        below = 0
        for i in range(n):  # no branch on the data: a wrong guess costs more than the exchange
            value = values[i]
            values[i] = values[below]
            values[below] = value
            below += value < pivot
        if rank < below:
            n = below
            continue
        upto = below
        for i in range(below, n):
            value = values[i]
            values[i] = values[upto]
            values[upto] = value
            upto += value <= pivot
        if rank < upto:
            return pivot
        values += upto
        n -= upto
        rank -= upto
    for i in range(1, n):
        value = values[i]
        below = i
        while below > 0 and values[below - 1] > value:
            values[below] = values[below - 1]
            below -= 1
        values[below] = value
    return values[rank]


cdef void _extremes(const double* values, Py_ssize_t n, double* least, double* most) noexcept nogil:
    """Smallest and largest of n > 0 values, four at a time: one comparison need not wait for another."""
    cdef Py_ssize_t i, lane
    cdef double low[4]
    cdef double high[4]
    for lane in range(4):
        low[lane] = high[lane] = values[0]
    for i in range(0, n - 3, 4):
        for lane in range(4):
            low[lane] = values[i + lane] if values[i + lane] < low[lane] else low[lane]
            high[lane] = values[i + lane] if values[i + lane] > high[lane] else high[lane]
    for i in range(n - n % 4, n):
        low[0] = values[i] if values[i] < low[0] else low[0]
        high[0] = values[i] if values[i] > high[0] else high[0]
    least[0] = min(min(low[0], low[1]), min(low[2], low[3]))
    most[0] = max(max(high[0], high[1]), max(high[2], high[3]))


cdef void _ranks(
    const double* values, Py_ssize_t n, const Py_ssize_t* ranks, Py_ssize_t n_ranks, double* found, double* scratch
) noexcept nogil:
    """Values of ascending ranks among n > 0 values without NaN; `scratch` has room for 2 n.

    Values are counted in buckets of equal width, and only those of a rank's own bucket are put in order.
    """
    cdef Py_ssize_t i, j, m, bucket, before
    cdef double least, most, scale
    cdef int counts[N_BUCKETS]
    cdef uint8_t* place = <uint8_t*>(scratch + n)
    cdef uint8_t* at
    cdef int b
    if n <= FEW:
        for j in range(n_ranks):
            memcpy(scratch, values, n * sizeof(double))
            found[j] = _select(scratch, n, ranks[j])
        return
    _extremes(values, n, &least, &most)
    scale = (N_BUCKETS - 1) / (most - least)
    if not 0.0 < scale < HUGE:  # all alike, or too far apart for their difference
        for j in range(n_ranks):
            memcpy(scratch, values, n * sizeof(double))
            found[j] = _select(scratch, n, ranks[j])
        return
    memset(counts, 0, sizeof(counts))
    for i in range(n):
        b = <int>((values[i] - least) * scale)
        place[i] = <uint8_t>b
        counts[b] += 1
    bucket, before = 0, 0
    for j in range(n_ranks):
        while before + counts[bucket] <= ranks[j]:
            before += counts[bucket]
            bucket += 1
        m = 0
        if 8 * counts[bucket] > n:
            for i in range(n):
                scratch[m] = values[i]
                m += place[i] == bucket
        else:
            at = <uint8_t*>memchr(place, <int>bucket, n)
            while at is not NULL:
                scratch[m] = values[at - place]
                m += 1
                at = <uint8_t*>memchr(at + 1, <int>bucket, n - (at + 1 - place))
        found[j] = _select(scratch, m, ranks[j] - before)


cdef double _median(const double* values, Py_ssize_t n, double* scratch) noexcept nogil:
    cdef Py_ssize_t ranks[2]
    cdef double found[2]
    ranks[0], ranks[1] = (n - 1) // 2, n // 2
    _ranks(values, n, ranks, 1 if n % 2 else 2, found, scratch)
    return found[0] if n % 2 else 0.5 * (found[0] + found[1])


cdef void _running_median(const double* values, Py_ssize_t n, Py_ssize_t window, double* out, double* ordered) noexcept nogil:
    """Median of the `window` nearest values; `ordered` has room for that many."""
    cdef Py_ssize_t i, j, half, old, new
    cdef double leaving, coming
    if n < window:
        window = n - (n + 1) % 2
    if window < 1:
        return
    half = window // 2
    for i in range(window):
        coming = values[i]
        j = i
        while j > 0 and ordered[j - 1] > coming:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = coming
    for i in range(half + 1):
        out[i] = ordered[half]
    for i in range(window, n):
        leaving, coming = values[i - window], values[i]
        old = new = 0
        for j in range(window):
            old += ordered[j] < leaving
            new += ordered[j] < coming
        if old < new:
            new -= 1
            memmove(ordered + old, ordered + old + 1, (new - old) * sizeof(double))
        elif new < old:
            memmove(ordered + new + 1, ordered + new, (old - new) * sizeof(double))
        ordered[new] = coming
        out[i - half] = ordered[half]
    for i in range(n - half, n):
        out[i] = ordered[half]


def running_median(const double[::1] values, Py_ssize_t window):
    medians = np.empty(values.shape[0])
    cdef double[::1] out = medians
    cdef double* ordered
    if values.shape[0]:
        ordered = <double*>_allocate(window)
        _running_median(&values[0], values.shape[0], window, &out[0], ordered)
        free(ordered)
    return medians


cdef void* _allocate(Py_ssize_t n) except NULL:
    """Room for n values; the caller frees it."""
    cdef void* room = malloc(max(n, 1) * sizeof(double))
    if room is NULL:
        raise MemoryError
    return room


# --- outliers ---------------------------------------------------------------------------------------------------------
def outliers(
    const double[:, ::1] columns,
    bounds,
    Py_ssize_t window,
    double flux_limit,
    double flux_limit_below,
    double support_limit,
    double auxiliary_limit,
):
    cdef Py_ssize_t start, stop, c
    cdef double* room = <double*>_allocate(5 * columns.shape[1] + window)
    found = []
    try:
        for site in range(len(bounds) - 1):
            start, stop = bounds[site], bounds[site + 1]
            if stop > start:
                _flux_outliers(
                    &columns[FLUX, start], &columns[FLUX_ERR, start], stop - start, start, window,
                    flux_limit, flux_limit_below, support_limit, room, found,
                )
                for c in range(FLUX_ERR, N_COLUMNS):
                    _auxiliary_outliers(columns, c, start, stop, auxiliary_limit, room, found)
    finally:
        free(room)
    found.sort()
    return found


cdef int _flux_outliers(
    const double* flux, const double* flux_err, Py_ssize_t n, Py_ssize_t first, Py_ssize_t window,
    double flux_limit, double flux_limit_below, double support_limit, double* room, list found,
) except -1:
    cdef double* residual = room
    cdef double* scale = room + n
    cdef Py_ssize_t i, j, step
    cdef double least, deviation, sign, limit
    cdef bint supported
    _running_median(flux, n, window, residual, room + 5 * n)
    for i in range(n):
        residual[i] = flux[i] - residual[i]
        scale[i] = fabs(residual[i])
    least = SIGMA_PER_MAD * _median(scale, n, room + 2 * n)
    for i in range(n):
        scale[i] = max(flux_err[i], least)
    for i in range(n):
        deviation = residual[i] / scale[i]
        if not (deviation > flux_limit or deviation < -flux_limit_below):
            continue
        sign = 1.0 if deviation > 0.0 else -1.0
        supported = False
        for step in range(-1, 2, 2):
            j = i + step
            if 0 <= j < n:
                supported |= sign * residual[j] > support_limit * min(scale[i], scale[j])
        if not supported:
            limit = flux_limit if deviation > 0.0 else flux_limit_below
            found.append((-fabs(deviation) / limit, first + i, 0))
    return 0


cdef int _auxiliary_outliers(
    const double[:, ::1] columns, Py_ssize_t column, Py_ssize_t start, Py_ssize_t stop, double auxiliary_limit,
    double* room, list found,
) except -1:
    """Judge a column by its quantiles; one between two values is the lower one."""
    cdef Py_ssize_t i, n = 0
    cdef double* measured = room
    cdef Py_ssize_t ranks[3]
    cdef double quantile[3]
    cdef double least, most, value, middle, limit, deviation, flux_median = NAN
    cdef bint growing = column == FLUX_ERR or column == PSF  # with the brightness of the star
    for i in range(start, stop):
        measured[n] = columns[column, i]
        n += measured[n] > 0.0
    if not n:
        return 0
    _extremes(measured, n, &least, &most)
    for i in range(3):
        ranks[i] = <Py_ssize_t>(0.25 * (i + 1) * (n - 1))
    _ranks(measured, n, ranks, 3, quantile, room + (stop - start))
    for i in range(3):
        quantile[i] = _scaled(quantile[i], column)
    middle = quantile[1]
    limit = auxiliary_limit * max(SIGMA_PER_IQR * (quantile[2] - quantile[0]), MIN_SPREAD)
    if not (_scaled(least, column) < middle - limit or _scaled(most, column) > middle + limit):
        return 0
    for i in range(start, stop):
        value = columns[column, i]
        if not value > 0.0:
            continue
        deviation = fabs(_scaled(value, column) - middle)
        if not deviation > limit:
            continue
        if growing:
            if isnan(flux_median):
                flux_median = _median(&columns[FLUX, start], stop - start, room)
            if columns[FLUX, i] - flux_median > BRIGHT * columns[FLUX_ERR, i]:
                continue
        found.append((-deviation / limit, i, column - FLUX))
    return 0


cdef double _scaled(double value, Py_ssize_t column) noexcept nogil:
    return value if column == AIRMASS else log(value)


# --- the rise and the channels ----------------------------------------------------------------------------------------
def fit_rises(const double[:, ::1] rows, bounds, double t_break, Py_ssize_t min_before):
    cdef Py_ssize_t start, stop
    cdef double* room = <double*>_allocate(3 * rows.shape[1])
    rises = []
    for site in range(len(bounds) - 1):
        start, stop = bounds[site], bounds[site + 1]
        if stop > start:
            rises.append(
                _fit_rise(
                    &rows[HJD, start], &rows[FLUX, start], &rows[FLUX_ERR, start], stop - start,
                    t_break, min_before, room,
                )
            )
        else:
            rises.append(None)
    free(room)
    return rises


cdef tuple _fit_rise(
    const double* hjd, const double* flux, const double* flux_err, Py_ssize_t n,
    double t_break, Py_ssize_t min_before, double* room,
):
    cdef Py_ssize_t i, split = 0, quiet
    cdef double middle, error, baseline, scatter, weight, total = 0.0, sum_x = 0.0, sum_xf = 0.0, x
    while split < n and hjd[split] < t_break:
        split += 1
    quiet = split if split >= min_before else n  # rows that tell baseline and scatter
    middle = _median(flux, quiet, room + n)
    error = _median(flux_err, quiet, room + n)
    if split < min_before:
        baseline, scatter = middle, error
    else:
        for i in range(quiet):
            room[i] = fabs(flux[i] - middle)
        scatter = max(SIGMA_PER_MAD * _median(room, quiet, room + n), 0.5 * error)
        baseline = 0.0
        for i in range(split):
            weight = 1.0 / (flux_err[i] * flux_err[i])
            total += weight
            baseline += weight * flux[i]
        baseline /= total
    for i in range(split, n):
        x = hjd[i] - t_break
        weight = 1.0 / (flux_err[i] * flux_err[i]) * x
        sum_x += weight * x
        sum_xf += weight * (flux[i] - baseline)
    return baseline, scatter, sum_xf / sum_x if sum_x > 0.0 else 0.0, split


def channels(
    const double[:, ::1] columns, const uint8_t[::1] keep, bounds, const int64_t[::1] source, const uint8_t[:, ::1] has
):
    cdef Py_ssize_t i, to = 0
    new_bounds = _count(keep, bounds)
    filled = np.empty((<int>N_FEATURES, new_bounds[len(new_bounds) - 1]))
    if not filled.size:
        return filled, new_bounds
    cdef double[:, ::1] out = filled
    _copy_kept(columns, keep, out)
    for i in range(keep.shape[0]):
        if keep[i]:
            out[ONE, to] = 1.0
            out[HAS_SKY, to] = has[source[i], SKY - SKY]
            out[HAS_FWHM, to] = has[source[i], FWHM - SKY]
            out[HAS_PSF, to] = has[source[i], PSF - SKY]
            to += 1
    return filled, new_bounds


def relate(double[:, ::1] channels, bounds, lines, double t_break, double t_last, bint scaled):
    cdef Py_ssize_t i, start = bounds[0], stop
    cdef double baseline, slope, scatter, line
    for stop, of_site in zip(bounds[1:], lines):
        baseline, slope, scatter = of_site
        for i in range(start, stop):
            line = baseline + slope * max(channels[HJD, i] - t_break, 0.0)
            channels[FIT_LINE, i] = (line - baseline) / scatter if scaled else line
            channels[HJD, i] -= t_last
        if scaled:
            for i in range(start, stop):
                channels[FLUX, i] = (channels[FLUX, i] - baseline) / scatter
                channels[FLUX_ERR, i] /= scatter
        start = stop


def standardise(const double[:, :] matrix, const double[::1] mean, const double[::1] sd):
    cdef Py_ssize_t c, i, n = matrix.shape[0]
    inputs = np.empty((n, <int>N_FEATURES), dtype=np.float32)
    if not n:
        return inputs
    cdef float[:, ::1] out = inputs
    cdef double* scaled = <double*>_allocate(n)
    cdef double value, centre, scale
    for c in range(N_FEATURES):
        centre, scale = mean[c], sd[c]
        if matrix.strides[0] == sizeof(double):
            _scale(&matrix[0, c], n, centre, scale, scaled)
        else:
            for i in range(n):
                scaled[i] = matrix[i, c]
            _scale(scaled, n, centre, scale, scaled)
        for i in range(n):
            value = scaled[i]
            value = MAX_STANDARDISED if value > MAX_STANDARDISED else value
            value = -MAX_STANDARDISED if value < -MAX_STANDARDISED else value
            out[i, c] = <float>(value if value == value else 0.0)
    free(scaled)
    return inputs


cdef void _scale(const double* values, Py_ssize_t n, double centre, double scale, double* out) noexcept nogil:
    cdef Py_ssize_t i
    if centre == 0.0 and scale == 1.0:
        memmove(out, values, n * sizeof(double))
        return
    for i in range(n):
        out[i] = (values[i] - centre) / scale
